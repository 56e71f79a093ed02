"""Several runs side by side: what they are called, which cases they share, and what each of them says of a case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.several import Several, fact_names, read_several
from bench.data.foreign import FOREIGN, ForeignCase
from bench.errors import UsageError

Make = Callable[..., Path]
FOREIGN_RUN = {
    "foreign_version": 1,
    "run_id": "theirs",
    "created": "2026-03-01T00:00:00+00:00",
    "tool": "pyperf",
    "measured_by": "pyperf 2.10.0",
    "file": "x.json",
    "sha256": "0" * 64,
    "benchmarks": [{"name": "one", "seconds": 1e-3, "low": 9e-4, "high": 2e-3, "values": 6, "over": "processes"}],
}


@pytest.fixture
def made(build: ModuleType, tmp_path: Path) -> Make:
    """A run of a baseline and of one that is `speedup` times as fast, on a machine with these facts."""

    def make(name: str, speedup: float = 2.0, factor: float = 1.0, more: str = "", **manifest: Any) -> Path:
        run = build.HandMade(tmp_path / name)
        cases = [run.plan("numpy_manual"), run.plan("fast")] + ([run.plan(more)] if more else [])
        for number in range(8):
            for case in cases:
                seconds = 1e-3 * factor / (speedup if case.implementation == "fast" else 1.0)
                run.process(case, number, step=[seconds * (1 + number / 1000)])
        machine = build.make_manifest().machine | manifest.pop("machine", {})
        rows = run.summary(run_id=name, machine=machine, **manifest)
        from bench.data.store import RunStore

        RunStore(run.folder).write_summary(rows)
        return Path(run.folder)

    return make


def foreign(folder: Path, **changed: Any) -> Path:
    folder.mkdir()
    (folder / FOREIGN).write_text(json.dumps({**FOREIGN_RUN, **changed}))
    return folder


def labels(several: Several) -> list[str]:
    return [member.told for member in several.members]


def test_a_label_says_what_differs_and_no_more(made: Make) -> None:
    day, later = "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:06+00:00"
    a = made("a", created=day)
    other_cpu = made("b", machine={"cpu": "AMD EPYC(R) 7R13 48-Core Processor @ 2.6GHz"}, created=later)
    assert labels(read_several([a, other_cpu])) == ["A: Imaginary 3000", "B: AMD EPYC 7R13"]
    more = made("c", machine={"cpus": 64}, created="2026-01-05T03:04:05+00:00")
    assert labels(read_several([a, more])) == ["A: 2 CPUs", "B: 64 CPUs"]
    assert labels(read_several([a, other_cpu, more])) == [
        "A: Imaginary 3000, 2 CPUs",
        "B: AMD EPYC 7R13, 2 CPUs",
        "C: Imaginary 3000, 64 CPUs",
    ]
    assert labels(read_several([a, made("d", created="2026-01-05T00:00:00+00:00")])) == [
        "A: 2026-01-02",
        "B: 2026-01-05",
    ]
    assert labels(read_several([a, made("e", created=later)]))[1] == "B: 2026-01-02 03:04:06"
    newer = made("f", packages={"numpy": "9.9"}, created="2026-02-02T03:04:05+00:00")
    assert labels(read_several([a, newer]))[1] == "B: numpy 9.9"
    assert len(set(labels(read_several([a, a])))) == 2


def test_each_speedup_is_over_the_baseline_of_its_own_run(made: Make) -> None:
    several = read_several([made("a", 2.0), made("b", 4.0, factor=0.1)])
    fast = next(case for case in several.cases if case.implementation == "fast")
    first, second = (several.at(member, fast) for member in several.members)
    assert first.speedup is not None
    assert second.speedup is not None
    assert (first.speedup.value, second.speedup.value) == (pytest.approx(2.0), pytest.approx(4.0))
    assert first.baseline == "numpy_manual"
    own = next(case for case in several.cases if case.implementation == "numpy_manual")
    assert several.at(several.members[0], own).speedup is None, "a baseline has none over itself"
    rows = several.over_first(several.members[1], several.cases)
    assert [row.ratio.value for row in rows if row.ratio] == [pytest.approx(0.1), pytest.approx(0.05)]
    assert all(row.ratio.low is not None for row in rows if row.ratio)


def test_another_baseline_holds_for_every_run(made: Make) -> None:
    several = read_several([made("a", 2.0), made("b", 4.0)], "fast")
    own = next(case for case in several.cases if case.implementation == "numpy_manual")
    found = [several.at(member, own) for member in several.members]
    assert [each.speedup.value for each in found if each.speedup] == [pytest.approx(0.5), pytest.approx(0.25)]
    with pytest.raises(UsageError, match="--baseline 'none' is not measured"):
        read_several([several.members[0].folder] * 2, "none")


def test_what_one_run_alone_has_is_not_shared(made: Make) -> None:
    several = read_several([made("a", more="mine"), made("b")])
    assert [case.implementation for case in several.cases] == ["numpy_manual", "fast", "mine"]
    assert [case.implementation for case in several.shared] == ["numpy_manual", "fast"]
    assert several.at(several.members[1], several.cases[2]).reason == "run B does not have it"
    chosen = read_several([member.folder for member in several.members], only=["fast"])
    assert [case.implementation for case in chosen.cases] == ["fast"]


def test_only_what_forbids_a_verdict_makes_two_machines(made: Make) -> None:
    a = made("a")
    assert read_several([a, made("b", created="2026-05-05T00:00:00+00:00", seed=7)]).one_machine
    several = read_several([a, made("c", machine={"cpu": "Another"})])
    assert not several.one_machine
    assert several.differing(several.members[1])[0].startswith("cpu: ")


def test_a_run_without_samples_or_summary_is_shown_as_far_as_it_goes(made: Make) -> None:
    a, b, c = made("a"), made("b", factor=2.0), made("c", factor=3.0)
    (b / "samples.csv").unlink()
    (c / "summary.csv").unlink()
    several = read_several([a, b, c])
    ratios = [[row.ratio for row in several.over_first(each, several.cases)] for each in several.members[1:]]
    assert [each.value for each in ratios[0] if each] == [pytest.approx(2.0)] * 2
    assert [each.low for each in ratios[0] if each] == [None, None], "one number is no sample"
    assert [each.value for each in ratios[1] if each] == [pytest.approx(3.0)] * 2


def test_a_foreign_run_stands_beside_ours_and_shares_no_case(made: Make, tmp_path: Path) -> None:
    theirs = foreign(tmp_path / "theirs")
    several = read_several([made("a"), theirs])
    case = ForeignCase("one", "pyperf")
    seen = several.at(several.members[1], case)
    assert seen.seconds is not None
    assert (seen.seconds.value, seen.seconds.low, seen.speedup) == (1e-3, 9e-4, None)
    assert case in several.cases
    assert several.shared == []
    assert not several.one_machine
    assert several.members[1].told == "B: measured by pyperf 2.10.0"
    both = read_several(
        [theirs, foreign(tmp_path / "later", run_id="later", benchmarks=[{"name": "one", "seconds": 2e-3}])]
    )
    (row,) = both.over_first(both.members[1], both.shared)
    assert row.ratio is not None
    assert (row.ratio.value, row.ratio.low) == (pytest.approx(2.0), None)
    assert "measured by" in fact_names(both.members)


@pytest.mark.parametrize(("count", "said"), [(1, "name two or more"), (27, "at most 26")])
def test_too_few_or_too_many_are_refused(count: int, said: str, made: Make) -> None:
    with pytest.raises(UsageError, match=said):
        read_several([made("a")] * count)
