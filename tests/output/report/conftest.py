"""Runs to report on: the real sample, one made to break a format, a sweep, and one with a GPU."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pandas as pd
import pytest

from bench.data.run import StoredRun
from bench.data.store import RunStore, read_summary
from bench.model.case import case_columns_among

HOSTILE = (
    "<script>alert(1)</script>",
    "a|b` `c` **d** _e_ [f](g) <details>",
    "\"quoted\" 'single' &amp; ]]> --> </svg></style>",
    r"\input{/etc/passwd} %~^#$&_{} 100% \\ µ…±→é中🙂",
)
"""Names that would break out of HTML, Markdown or LaTeX, if they could."""


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    return HOSTILE


def finish(run: Any, **manifest: Any) -> Path:
    """Summary and crossovers of a run by hand, as `bench run` leaves them."""
    crossovers = importlib.import_module("bench.analysis.crossover").crossovers
    store, rows, stored = RunStore(run.folder), run.summary(**manifest), StoredRun(run.folder)
    store.write_summary(rows)
    store.write_crossovers(crossovers(stored.manifest, rows, stored.samples, stored.processes))
    folder: Path = run.folder
    return folder


@pytest.fixture(scope="session")
def finished() -> Callable[..., Path]:
    return finish


@pytest.fixture
def run(build: ModuleType, tmp_path: Path) -> Any:
    """An empty run by hand."""
    return build.HandMade(tmp_path / "run")


@pytest.fixture
def measure() -> Callable[..., None]:
    """Processes of a case, one a round, which differ by a percent or so; their median is `seconds`."""

    def add(run: Any, case: Any, seconds: float, rounds: int = 7, spread: float = 0.01, **options: Any) -> None:
        for number in range(rounds):
            step = seconds * (1 + spread * (number * 5 % 7 - 3) / 3)
            phases = {"forward": [step * 0.4] * 3, "backward": [step * 0.4] * 3, "update": [step * 0.22] * 3}
            run.process(case, number, step=[step] * 5, phases=phases, threads_used=case.threads, **options)

    return add


@pytest.fixture
def document() -> Callable[..., Any]:
    """The document of a run, with these figures taken as drawn."""
    from bench.output.content.report import build
    from bench.output.figures import RunData

    def make(folder: Path, figures: tuple[str, ...] = ("speedup", "phases")) -> Any:
        return build(RunData(folder), figures, {"heatmap": "it has one size only: measure several with `bench sweep`."})

    return make


@pytest.fixture
def long_and_short() -> Any:
    """A document with a table of 30 rows and one of 2."""
    from bench.output.document import Document, Section, table

    tables = [table(f"t{count}", (f"Caption {count}",), ["name"], [[f"row {count}"]] * count) for count in (30, 2)]
    return Document("Title", "r", ("answer",), (), (), (Section("s", "S", tuple(tables)),), "1.0")


@pytest.fixture
def two_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only two of the figures, for tests that are not about them."""
    monkeypatch.setattr("bench.output.figures.names", lambda: ("phases", "speedup"))


@pytest.fixture
def quick_pictures(two_figures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two figures, and empty pictures for them, for tests of what stands around them."""
    monkeypatch.setattr("bench.output.figures.picture", lambda data, name, kind, look: b"picture of " + name.encode())


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed sample run, in a folder of its own that may be written to."""
    root = Path(__file__).resolve().parents[3]
    folder = tmp_path_factory.mktemp("runs") / "sample"
    shutil.copytree(root / "tests" / "data" / "sample", folder)
    return folder


@pytest.fixture(scope="session")
def sample_page(sample: Path) -> Path:
    """Its report as HTML with four of the figures, made once."""
    from bench.output.report import report

    path = sample / "report.html"
    with mock.patch("bench.output.figures.names", return_value=("ecdf", "phases", "samples", "speedup")):
        path.write_text(report(sample, "html"), encoding="utf-8")
    return path


@pytest.fixture
def hostile(build: ModuleType, tmp_path: Path) -> Path:
    """A run whose names and reasons do their worst."""
    rows = [build.summary_row(build.make_case(), **_times(4e-4, 1.0))]
    for number, name in enumerate(HOSTILE):
        case = build.make_case(name, "torch-cpu")
        rows.append(build.summary_row(case, **_times(4e-4 / (0.5 + number), 0.5 + number)))
        rows += [build.summary_row(case, phase=phase, method="staged", median_seconds=1e-4) for phase in PHASES]
        failed = {"status": "failed", "reason": f"{name}\nand a second line", "method": None, "clock": None}
        rows.append(build.summary_row(dataclasses.replace(case, implementation=f"{name}2"), **failed))
    folder: Path = build.write_summary_run(
        tmp_path / "hostile",
        rows,
        command=["bench", "run", "--load", "it's a `file`; $(rm -rf).py"],
        machine={"cpu": HOSTILE[0], "cpus_usable": 2, "system": HOSTILE[3], "memory_bytes": None, "governor": None},
        packages={"numpy": HOSTILE[2]},
        facts={HOSTILE[1]: {HOSTILE[0]: HOSTILE[3]}},
        disturbances=[f"odd: {name}" for name in HOSTILE],
        git_revision=HOSTILE[0],
    )
    return folder


PHASES = ("forward", "backward", "update")


def _times(seconds: float, speedup: float) -> dict[str, Any]:
    return {
        "median_seconds": seconds,
        "low_seconds": seconds * 0.9,
        "high_seconds": seconds * 1.1,
        "speedup": speedup,
        "speedup_low": speedup * 0.9,
        "speedup_high": speedup * 1.1,
        "baseline": "numpy_manual",
    }


@pytest.fixture(scope="session")
def key_of_sample(sample: Path) -> list[str]:
    """The columns that tell the sample's cases apart."""
    return case_columns_among(read_summary(sample).columns)


@pytest.fixture(scope="session")
def in_file() -> Callable[[Path, dict[str, str], str], list[Any]]:
    """What summary.csv holds: a case by its columns, and cells by the source that a report names for them."""

    @cache
    def summary(folder: Path) -> dict[tuple[str, ...], dict[str, Any]]:
        rows = read_summary(folder).astype(object)
        rows = rows[(rows["clock"] == "host") & rows["variant"].isna()]
        key = case_columns_among(rows.columns)
        return {(*(str(row[name]) for name in key), row["phase"]): row for row in rows.to_dict("records")}

    def read(folder: Path, key: dict[str, str], source: str) -> list[Any]:
        found = []
        for place in source.split():
            phase, _, column = place.rpartition(".")
            value = summary(folder)[(*key.values(), phase or "step")][column]
            found.append(None if pd.isna(value) else value)
        return found

    return read
