"""Two stored runs for the terminal, for programs and for a build server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.analysis.compare import Comparison
from bench.analysis.rule import Criteria, Verdict
from bench.analysis.run_verdicts import CaseVerdict, RunsJudged
from bench.analysis.stored import CaseKey
from bench.data.manifest import Manifest
from bench.data.schema import CASE_KEY
from bench.output.terminal import plain_table
from bench.output.text import VARIANT, duration, variant_word
from bench.output.verdicts import STYLES, calibration_note, slowdown, step_evidence, where
from bench.run.ab import Decided
from bench.run.calibration import Calibration
from bench.run.contest import Comparison as Contested
from bench.stats.estimates import Estimate
from bench.stats.unpaired import can_show, processes_needed

LESS_SURE = (
    "Two runs at two times are less sure than `bench ab`: how the machine drifted from one to the other is in no "
    "bound. Let `bench ab`, which measures both sides at once, confirm what matters."
)


def case_names(keys: Iterable[CaseKey]) -> dict[CaseKey, str]:
    """What cases are called: sizes, threads, modes and formats only where the cases hold several of them."""
    cases = {key: dict(zip(CASE_KEY, key, strict=True)) for key in keys}
    differing = [column for column in VARIANT if len({case[column] for case in cases.values()}) > 1]
    return {
        key: ", ".join(
            [
                f"{case['implementation']} on {case['backend']}",
                str(case["workload"]),
                *(variant_word(column, case[column]) for column in differing),
            ]
        )
        for key, case in cases.items()
    }


def run_label(letter: str, folder: Path, manifest: Manifest) -> str:
    """A run in a few words."""
    revision = f", {manifest.git_revision[:12]}" if manifest.git_revision else ""
    return f"{letter} is {folder} ({manifest.created[:16].replace('T', ' ')}{revision})"


# Verdicts


def decided(case: CaseVerdict) -> Decided:
    """A case in the form in which `bench ab` tells of its own; no stage of pairs decided it."""
    return Decided(case.verdict, 0, case.seconds_a, case.seconds_b, case.changed)


def contested(judged: RunsJudged, criteria: Criteria, labels: tuple[str, str], folder: Path) -> Contested:
    """All of it in that form, for what is the same: the exit status and the file for a build server."""
    threads = max((int(case.columns["threads"]) for case in judged.cases), default=1)
    cases = tuple(decided(case) for case in judged.cases)
    return Contested(folder, "", labels, criteria, cases, judged.left_out, 0.0, threads)


def verdict_table(
    judged: RunsJudged,
    criteria: Criteria,
    labels: tuple[str, str],
    noted: Sequence[str] = (),
    calibration: Calibration | None = None,
) -> RenderableType:
    """One line a case, the reasons of what is not a PASS, and what all of it rests on.

    Args:
        judged: the verdicts.
        criteria: those that they were found by.
        labels: of the runs A and B, from `run_label`.
        noted: what else differs between the runs, each as `name: A / B`.
        calibration: of this machine; None if it has none.
    """
    numbers = ["A", "B", "slowdown", f"{_percent(1 - criteria.alpha)} bounds"]
    table = plain_table("verdict", "case", *numbers, "slower in", right=numbers, wrap=["case", "slower in"])
    for case in judged.cases:
        evidence = step_evidence(decided(case))
        table.add_row(
            Text(case.verdict.verdict, style=STYLES[case.verdict.verdict]),
            Text(case.verdict.name),
            duration(case.seconds_a),
            duration(case.seconds_b),
            slowdown(None if evidence is None else evidence.slowdown),
            bounds(None if evidence is None else (evidence.low, evidence.high)),
            Text(where(decided(case))),
        )
    lines = [f"{'; '.join(labels)}."]
    lines += [
        f"{case.verdict.verdict}: {case.verdict.name}: {case.verdict.reason}."
        for case in judged.cases
        if case.verdict.verdict is not Verdict.PASS
    ]
    lines += [f"not compared: {name}: {reason}." for name, reason in judged.left_out.items()]
    return Group(table, Text(), *(Text(line) for line in [*lines, *notes(judged, criteria, noted, calibration)]))


def bounds(ends: tuple[float | None, float | None] | None) -> str:
    """Both bounds of a slowdown; a dash if there are none."""
    return "-" if ends is None or None in ends else f"{slowdown(ends[0])} … {slowdown(ends[1])}"


def notes(
    judged: RunsJudged, criteria: Criteria, noted: Sequence[str] = (), calibration: Calibration | None = None
) -> list[str]:
    """What a verdict takes, and what it cannot know."""
    found = [
        f"REGRESSION: surely slower than {_percent(criteria.margin)}; PASS: surely not slower than "
        f"{_percent(criteria.tolerance)}; the chance of any false REGRESSION by chance alone is at most "
        f"{_percent(criteria.alpha)} (Mann-Whitney, Holm over {judged.tests} tests). A, B and slowdown are of each "
        "process's minimum."
    ]
    risk = criteria.alpha / max(judged.tests, 1)
    timed = [case.processes for case in judged.cases if all(case.processes)]
    if few := sum(not can_show(*processes, risk) for processes in timed):
        some = "1 case has" if few == 1 else f"{few} cases have"
        found.append(
            f"{some} too few processes for any REGRESSION among so many tests; {processes_needed(risk)} of each run "
            "can show one: measure longer, with --budget or --rounds of `bench run`."
        )
    if noted:
        found.append(f"The runs also differ in {'; '.join(noted)} (A / B).")
    return [*found, LESS_SURE, calibration_note(calibration)]


def _percent(value: float) -> str:
    return f"{100 * value:.4g} %"


def verdicts_json(
    judged: RunsJudged, criteria: Criteria, noted: Sequence[str] = (), calibration: Calibration | None = None
) -> dict[str, Any]:
    """The verdicts for programs; what is unknown is null."""
    return {
        "verdict": judged.verdict,
        "criteria": {name: getattr(criteria, name) for name in ("alpha", "margin", "tolerance", "power")},
        "tests": judged.tests,
        "differences": list(noted),
        "cases": [_case_json(case) for case in judged.cases],
        "not_compared": dict(judged.left_out),
        "notes": notes(judged, criteria, noted, calibration),
    }


def _case_json(case: CaseVerdict) -> dict[str, Any]:
    told = dataclasses.asdict(case)
    verdict = told.pop("verdict")
    told["processes"] = list(case.processes)
    told = {"name": verdict["name"], "verdict": verdict["verdict"], "reason": verdict["reason"], **told}
    told["timed"] = verdict["columns"]
    found = [each for column in verdict["columns"] for each in column["evidence"]]
    for each in [*found, *(change["evidence"] for change in told["changed"])]:
        each.pop("pairs", None)  # there are none here
    return told


# A description


def compare_table(rows: Sequence[Comparison], names: Mapping[CaseKey, str]) -> Table:
    """Two runs, case by case, without a verdict."""
    numbers = ["A", "B", "B / A", "95 % interval"]
    noted = ["note"] if any(row.reason for row in rows) else []
    table = plain_table("case", *numbers, *noted, right=numbers, wrap=["case", "note"])
    for row in rows:
        table.add_row(
            Text(names[tuple(row.columns[name] for name in CASE_KEY)]),
            _median(row.seconds_a),
            _median(row.seconds_b),
            "-" if row.ratio is None else f"{row.ratio.value:.3f}",
            _ends(row.ratio),
            *([Text(row.reason)] if noted else []),
        )
    return table


def _median(estimate: Estimate | None) -> str:
    return duration(None if estimate is None else estimate.value)


def _ends(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.low:.3f} … {estimate.high:.3f}"


def compare_json(rows: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Two runs, case by case, for programs."""
    return [dataclasses.asdict(row) for row in rows]
