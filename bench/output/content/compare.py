"""Two stored runs: the verdicts over them, or their times side by side without any."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.compare import SideBySide
from bench.analysis.rule import Criteria
from bench.analysis.run_verdicts import CaseVerdict, RunsJudged
from bench.data.manifest import Manifest
from bench.model.case import Case
from bench.output.content.passages import passages
from bench.output.content.verdicts import Judgement, verdict_notes
from bench.output.document import Block, Bullets, Head, numbers, plain, prose, table
from bench.output.names import day
from bench.output.text import duration, interval
from bench.run.calibration import Calibration
from bench.stats.unpaired import can_show, processes_needed


def run_label(folder: Path, manifest: Manifest) -> str:
    """Return a run in a few words."""
    revision = f", {manifest.git_revision[:12]}" if manifest.git_revision else ""
    return f"{folder} ({day(manifest.created)}{revision})"


def of_runs(
    judged: RunsJudged,
    criteria: Criteria,
    labels: tuple[str, str],
    noted: Sequence[str] = (),
    calibration: Calibration | None = None,
    factor: float | None = None,
) -> Judgement:
    """Return the verdicts over two stored runs.

    Args:
        judged: the verdicts.
        criteria: those that they were found by.
        labels: of the runs A and B, from `run_label`.
        noted: what else differs between the runs, each as `name: A / B`.
        calibration: this machine's; None if it has none.
        factor: the one by which every case moved; None if they did not move alike.
    """
    risk = criteria.alpha / max(judged.tests, 1)
    timed = [case.processes for case in judged.cases if all(case.processes)]
    notes = verdict_notes(
        criteria,
        calibration,
        pairs="",
        tests=judged.tests,
        few=sum(not can_show(*processes, risk) for processes in timed),
        needed=processes_needed(risk),
        noted=noted,
        factor=_factor(factor),
    )
    return Judgement(labels, criteria, judged.cases, judged.left_out, notes)


def _factor(factor: float | None) -> str:
    return "" if factor is None else f"{factor:.2f}"


def verdicts_json(
    judged: RunsJudged, judgement: Judgement, noted: Sequence[str] = (), factor: float | None = None
) -> dict[str, Any]:
    """Return the verdicts for programs; what is unknown is null."""
    criteria = judgement.criteria
    return {
        "verdict": judged.verdict,
        "criteria": {name: getattr(criteria, name) for name in ("alpha", "margin", "tolerance", "power")},
        "tests": judged.tests,
        "differences": list(noted),
        "common_factor": factor,
        "cases": [_case_json(case) for case in judged.cases],
        "not_compared": dict(judged.left_out),
        "notes": list(map(plain, judgement.notes)),
    }


def _case_json(case: CaseVerdict) -> dict[str, Any]:
    told = _with_columns(case)
    verdict = told.pop("verdict")
    told["processes"] = list(case.processes)
    told = {"name": verdict["name"], "verdict": verdict["verdict"], "reason": verdict["reason"], **told}
    told["timed"] = verdict["columns"]
    found = [each for column in verdict["columns"] for each in column["evidence"]]
    for each in [*found, *(change["evidence"] for change in told["changed"])]:
        each.pop("pairs", None)  # there are none here
    return told


def description(
    rows: Sequence[SideBySide],
    names: Mapping[Case, str],
    left_out: Mapping[str, str],
    differing: Sequence[str],
    factor: float | None = None,
) -> list[Block]:
    """Return two runs case by case, without a verdict.

    Args:
        rows: their cases.
        names: what cases are called.
        left_out: cases that neither run measured, with the reason.
        differing: how the runs differ, each as `name: A / B`.
        factor: the one by which every case moved; None if they did not move alike.
    """
    noted = any(row.reason for row in rows)
    lines = []
    for row in rows:
        times = (None if side is None else side.value for side in (row.seconds_a, row.seconds_b))
        ratio = ["-", "-"]
        if row.ratio is not None:
            ratio = [f"{row.ratio.value:.3f}", interval(row.ratio.low, row.ratio.high, "{:.3f}".format)]
        lines.append([names[row.case], *map(duration, times), *ratio, *([row.reason] if noted else [])])
    heads = [Head("case", wraps=True), *numbers("A", "B", "B / A", "95 % interval")]
    heads += [Head("note", wraps=True)] if noted else []
    notes = [
        *passages("verdicts.txt", "moved", factor=_factor(factor)),
        *(prose("not compared: {}: {}.", name, reason) for name, reason in left_out.items()),
        prose("A ratio over 1 means that B took longer. No verdict: a ratio may be due to anything that differs."),
        *(prose("The runs differ in {} (A / B).", item) for item in differing),
    ]
    return [table("compare", (), heads, lines), Bullets(tuple(notes))]


def compare_json(rows: Sequence[SideBySide]) -> list[dict[str, Any]]:
    """Return two runs, case by case, for programs."""
    return [_with_columns(row) for row in rows]


def _with_columns(of_case: SideBySide | CaseVerdict) -> dict[str, Any]:
    """Return what was found of a case, the case itself by its columns."""
    told = dataclasses.asdict(of_case)
    del told["case"]
    return {"columns": of_case.case.columns, **told}
