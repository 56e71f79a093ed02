"""What a run's programs are made of: recorded as its processes report it, and the same from the first to the last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Status
from bench.data.store import read_manifest, read_processes, read_summary
from bench.errors import UsageError
from bench.model.discovery import BUILT_IN, discover
from bench.model.imports import digest
from bench.model.workload import WORKLOADS
from bench.run.plan import Planned, Selection, choose, plan_cases
from bench.run.session import resume, run
from bench.run.sources import source_hashes, take_imports
from bench.run.terms import RunTerms
from bench.timing.protocol import Reply, Request

Make = Callable[..., Any]


# --- the rule -----------------------------------------------------------------------------------------------------


def reporting(bench: Any, after: int = 10**9, **later: Any) -> Callable[[Request], Reply]:
    """Answer with a module and a package; from the process of that number on with what `later` says."""

    def answer(request: Request) -> Reply:
        plain: Reply = type(bench.double).answer(request)
        found: dict[str, Any] = {"modules": {"model": "a" * 64}, "packages": {"fancyfw": "1.2.3", "numpy": "9"}}
        return replace(plain, **(found | later if len(bench.double.asked) > after else found))

    return answer


@pytest.fixture
def bench(make: Make) -> Any:
    made = make(RunTerms(1000, rounds=3))
    made.double.answer = reporting(made)
    return made


def test_modules_and_packages_are_in_the_manifest_before_the_rows_of_their_process(bench: Any) -> None:
    plain = bench.double.answer

    def looking(request: Request) -> Reply:
        if len(bench.double.asked) == 2:
            sources.append(read_manifest(bench.folder).sources)
        found: Reply = plain(request)
        return found

    sources: list[dict[str, str]] = []
    bench.double.answer = looking
    bench.runner.execute()
    bench.runner.finish()
    first = bench.double.asked[0].implementation
    assert sources[0][f"{first}/model"] == "a" * 64
    manifest = read_manifest(bench.folder)
    assert manifest.sources["numpy_adam/model"] == manifest.sources["numpy_manual/model"] == "a" * 64
    assert manifest.packages["fancyfw"] == "1.2.3"
    assert manifest.step_packages == {"numpy_adam": ["fancyfw"], "numpy_manual": ["fancyfw"]}  # NumPy is the backend's


@pytest.mark.parametrize(
    ("later", "named"),
    [
        ({"modules": {"other": "c", "model": "b" * 64}}, "/model changed since run r began"),
        ({"packages": {"fancyfw": "2"}}, "fancyfw changed since run r began"),
    ],
)
def test_a_process_that_imports_something_else_ends_the_run_and_leaves_nothing(
    bench: Any, later: dict[str, Any], named: str
) -> None:
    bench.double.answer = reporting(bench, 3, **later)
    with pytest.raises(UsageError, match=named):
        bench.runner.execute()
    bench.runner.finish()
    assert len(read_processes(bench.folder)) == 3
    assert len(read_summary(bench.folder)) == 2
    text = (bench.folder / "manifest.json").read_text()
    assert "b" * 64 not in text
    assert "/other" not in text


def test_what_a_process_before_imported_and_this_one_did_not_is_no_change(bench: Any) -> None:
    bench.double.answer = reporting(bench, 3, modules={}, packages={})
    bench.runner.execute()
    assert bench.runner.manifest.rounds_done == 3


def test_a_file_that_changes_while_the_run_goes_on_is_named(make: Make, tmp_path: Path) -> None:
    bench = make(RunTerms(1000, rounds=3))
    path = tmp_path / "mine.py"
    path.write_text("# one")
    (planned,) = (item for item in bench.planned if item.case.implementation == "numpy_manual")
    mine = replace(planned, implementation=replace(planned.implementation, origin=f"file:{path}"))
    manifest = bench.runner.manifest
    assert take_imports(manifest, mine, Reply(Status.OK))
    assert not take_imports(manifest, mine, Reply(Status.OK))
    path.write_text("# two")
    with pytest.raises(UsageError, match="numpy_manual changed since run r began"):
        take_imports(manifest, mine, Reply(Status.OK))
    path.unlink()
    with pytest.raises(UsageError, match="numpy_manual changed since run r began"):
        take_imports(manifest, mine, Reply(Status.OK))


def test_the_file_of_a_workload_is_a_source_too(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "maths.py"
    path.write_text("# one")
    item = make(RunTerms(1000)).planned[0]
    workload = replace(item.implementation.workload, origin=f"file:{path}")
    mine = replace(item, implementation=replace(item.implementation, workload=workload))
    found = source_hashes([mine])
    assert found["workload mlp_sgd"] == digest(path)
    assert "workload mlp_sgd" not in source_hashes([item])


# --- real processes -----------------------------------------------------------------------------------------------


MODEL = "def hidden(x, w, b):\n    return x @ w + b\n"


class Silent:
    """A watcher that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
def mine(tmp_path: Path, own_backends: None) -> Iterator[Path]:
    """A step that has its first layer from a file beside it, and imports an installed package when it is built."""
    text = (BUILT_IN / "numpy_bias_sgd.py").read_text(encoding="utf-8").replace('"numpy_bias_sgd"', '"mine"')
    changed = text.replace("        h = x @ w1 + b1\n", "        h = hidden(x, w1, b1)\n")
    assert changed != text
    changed = changed.replace("    import numpy as np\n", "    import numpy as np\n    from layers import hidden\n", 1)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "layers.py").write_text(MODEL)
    path = tmp_path / "code" / "mine.py"
    path.write_text(changed.replace("    import numpy as np\n", "    import fancyfw\n    import numpy as np\n", 1))
    before = dict(WORKLOADS)
    yield path
    WORKLOADS.clear()
    WORKLOADS.update(before)


@pytest.fixture
def fancy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a package in a version."""
    site = tmp_path / "site-packages"

    def install(version: str) -> None:
        for old in site.glob("fancyfw-*"):
            shutil.rmtree(old)
        info = site / f"fancyfw-{version}.dist-info"
        for folder in (info, site / "fancyfw"):
            folder.mkdir(parents=True, exist_ok=True)
        (site / "fancyfw" / "__init__.py").write_text("")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: FancyFW\nVersion: {version}\n")
        (info / "RECORD").write_text("fancyfw-1.dist-info/METADATA,,\nfancyfw/__init__.py,,\n")

    install("1.2.3")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(str(site))
    return install


def planned(path: Path) -> tuple[Planned, ...]:
    sizes = {"batch": 8, "d_in": 6, "hidden": 5, "d_out": 3}
    return plan_cases(Selection(choose(discover([path]), ["mine"]), sizes))


def cut(folder: Path, rounds: int) -> None:
    """Make a finished run one that was interrupted after so many rounds."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"rounds_done": rounds, "ended_by": "interrupted"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    kept = read_processes(folder)["round"] < rounds
    lines = (folder / "processes.csv").read_text().splitlines()
    rows = [line for line, keep in zip(lines[1:], kept, strict=True) if keep]
    (folder / "processes.csv").write_text("\n".join([lines[0], *rows]) + "\n")


@pytest.mark.usefixtures("measures_little")
def test_a_neighbour_that_changed_before_the_run_is_resumed_is_named_and_what_was_measured_is_kept(
    mine: Path, fancy: Callable[[str], None], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    outcome = run(planned(mine), RunTerms(60, 2, out=out, load=(mine,)), Silent())
    assert outcome.exit_code == 0
    manifest = read_manifest(out)
    layers = mine.parent / "layers.py"
    assert {name for name in manifest.sources if name.startswith("mine")} == {"mine", "mine/layers"}
    assert manifest.sources["mine/layers"] == digest(layers)
    assert (manifest.packages["fancyfw"], manifest.step_packages["mine"]) == ("1.2.3", ["fancyfw"])
    cut(out, 1)
    layers.write_text(MODEL.replace("return", "x + 0\n    return"))
    with pytest.raises(UsageError, match="mine/layers changed since run run began"):
        resume(out, Silent(), load=[mine])
    assert read_processes(out)["round"].tolist() == [0]
    layers.write_text(MODEL)
    fancy("1.3")
    with pytest.raises(UsageError, match=r"fancyfw: 1\.2\.3 / 1\.3"):
        resume(out, Silent(), load=[mine])
    fancy("1.2.3")
    assert resume(out, Silent(), load=[mine]).exit_code == 0
    assert read_processes(out)["round"].tolist() == [0, 1]
