"""One source for the columns of a case: what it declares is in every file, table, key and comparison."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.model.case import CASE_COLUMNS, Case, Mode, differing
from bench.model.columns import Role
from bench.workloads import tutorial

NAMES = {column.name for column in CASE_COLUMNS} | {"batch", "d_in", "hidden", "d_out"}
MOST = 3
"""So many names of columns in one literal are a list of columns."""
ALLOWED = {
    "__init__.py": "the decorators are called as what they register",
    "data/older.py": "what the files of version 2 looked like is a fact that no declaration can give",
    "data/foreign.py": "the columns of a case that the file of another tool can tell",
    "output/content/listing.py": "what there is to measure, before there is any case",
}

ONE_LINE = '    site: str = condition("Where it was measured.", usual="here")\n'
SCRIPT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path("tests/data")))
import builders as build
from dataclasses import replace

from bench.analysis.baseline import Baseline
from bench.analysis.compare import all_cases
from bench.analysis.crossover import crossovers
from bench.analysis.history import RunFiles, histories
from bench.analysis.stored import case_times
from bench.data.run import StoredRun
from bench.data.store import RunStore, read_crossovers, read_processes
from bench.model.case import Case, differing
from bench.workloads import tutorial
from bench.output.export import export
from bench.run.resume import done_so_far

made = build.HandMade(Path("run"))
for hidden in (100, 200):
    for site in ("here", "there"):
        for name, backend, seconds in (("numpy_manual", "numpy", 1.0), ("torch_nn", "torch-cpu", hidden / 150)):
            case = replace(build.make_case(name, backend, problem=tutorial(hidden=hidden)), site=site)
            made.planned.append(build.planned_case(case))
            for number in range(7):
                made.process(case, number, step=[seconds * (1 if site == "here" else 10) * (1 + number / 1000)])
rows = made.summary()
run = StoredRun(made.folder)
store = RunStore(made.folder)
store.write_summary(rows)
store.write_crossovers(crossovers(run.manifest, rows, run.samples, run.processes))
run = StoredRun(made.folder)
cases = [row.case for row in rows]
done = done_so_far(made.folder, run.manifest)
times = case_times(run)
(history,) = histories([RunFiles(run.manifest, run.summary)])
text = export(made.folder, "bencher")
print(json.dumps({
    "processes": "site" in run.processes, "summary": "site" in run.summary, "crossovers": "site" in run.crossovers,
    "samples": "site" in run.samples, "joined": "site" in run.joined,
    "manifest": run.manifest.cases[0].columns["site"], "heading": differing(cases),
    "planes": sorted(set(run.crossovers["site"])), "keys": len(set(cases)), "compared": len(all_cases(times, times)),
    "fair": sorted({case.site for case in cases if Baseline.own(case.implementation).of(cases[0], [case])}),
    "speedups": sorted({round(row.speedup, 3) for row in rows if row.case.implementation == "torch_nn"}),
    "resumed": len(done.rounds), "series": len(history.series), "exported": len(set(json.loads(text))),
    "spelled": "site=there" in text and "site=here" not in text,
}))
"""


def test_a_column_is_one_line_and_then_in_every_file_table_key_and_comparison(root: Path, tmp_path: Path) -> None:
    """Add it to a copy of the project and use what is there."""
    for folder in ("bench", "implementations", "tests/data"):
        ignored = shutil.ignore_patterns("__pycache__", "sample", "schema2")
        shutil.copytree(root / folder, tmp_path / folder, ignore=ignored)
    path = tmp_path / "bench" / "model" / "case.py"
    source = path.read_text(encoding="utf-8")
    before = "    devices: int = condition("
    assert source.count(before) == 1
    path.write_text(source.replace(before, ONE_LINE + before), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "processes": True,
        "summary": True,
        "crossovers": True,
        "samples": False,
        "joined": True,
        "manifest": "here",
        "heading": ["size.hidden", "site"],
        "planes": ["here", "there"],
        "keys": 8,
        "compared": 8,
        "fair": ["here"],
        "speedups": [0.75, 1.5],
        "resumed": 8,
        "series": 8,
        "exported": 8,
        "spelled": True,
    }


def lists_of_columns(source: str) -> list[int]:
    """The lines at which a tuple, list, set or dictionary spells out several columns of a case."""
    found = []
    for node in ast.walk(ast.parse(source)):
        items = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else ()
        items = node.keys if isinstance(node, ast.Dict) else items
        texts = {str(item.value).removeprefix("size.") for item in items if isinstance(item, ast.Constant)}
        if len(texts & NAMES) >= MOST:
            found.append(node.lineno)
    return found


def test_no_file_spells_out_a_list_of_columns(root: Path) -> None:
    found = {
        str(path.relative_to(root / "bench")): lines
        for path in sorted((root / "bench").rglob("*.py"))
        if (lines := lists_of_columns(path.read_text(encoding="utf-8")))
    }
    assert {name: lines for name, lines in found.items() if name not in ALLOWED} == {}


@pytest.mark.parametrize(
    "source",
    [
        '_SAME = ("workload", "dtype", "size.batch")',
        'x = ["implementation", "backend", "threads"]',
        'x = {"mode", "precision", "dtype"}',
        'x = {"implementation": a, "backend": b, "threads": c}',
    ],
)
def test_a_list_of_columns_is_found(source: str) -> None:
    assert lists_of_columns(f"import x\n\n{source}\n") == [3]


def test_roles_say_what_a_column_is() -> None:
    roles = {column.name: column.role for column in CASE_COLUMNS}
    assert {name for name, role in roles.items() if role is Role.WHO} == {
        "implementation",
        "workload",
        "backend",
        "framework",
        "device",
    }
    assert [name for name, role in roles.items() if role is Role.CONDITION] == [
        "dtype",
        "threads",
        "mode",
        "precision",
        "devices",
    ]
    assert [column.name for column in CASE_COLUMNS if column.usual is not None] == ["mode", "precision", "devices"]


def test_cases_differ_in_conditions() -> None:
    a = Case("a", "mlp_sgd", "numpy", "numpy", "cpu", tutorial(), 2)
    b = Case("b", "mlp_sgd", "numpy", "numpy", "cpu", tutorial(batch=65), 2, Mode.RESIDENT_COLD)
    assert differing([a, b, a]) == ["size.batch", "mode"]
    assert differing([]) == []


@pytest.mark.parametrize("change", [{"mode": "lukewarm"}, {"dtype": "float8"}, {"size.batch": -1}])
def test_columns_that_no_case_has_are_refused(change: dict[str, object]) -> None:
    case = Case("a", "mlp_sgd", "numpy", "numpy", "cpu", tutorial(), 2)
    with pytest.raises((ValueError, UsageError), match=r"lukewarm|float8|batch"):
        Case.from_columns(case.columns | change)
