"""Stored runs: the verdicts over each of them against the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.analysis.compare import SideBySide
from bench.analysis.rule import Criteria
from bench.analysis.run_verdicts import CaseVerdict, RunsJudged
from bench.data.manifest import Manifest
from bench.output.content.verdicts import Judgement, verdict_notes
from bench.output.document import plain
from bench.output.names import day
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
    letter: str = "B",
    runs: int = 1,
) -> Judgement:
    """Return the verdicts over two stored runs.

    Args:
        judged: the verdicts.
        criteria: those that they were found by.
        labels: of the run A and of the one that is judged, from `run_label`.
        noted: what else differs between the runs, each as `name: A / B`.
        calibration: this machine's; None if it has none.
        factor: the one by which every case moved; None if they did not move alike.
        letter: what the run that is judged is called.
        runs: how many were judged together.
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
        factor=factor_words(factor),
        letter=letter,
        runs=runs,
    )
    return Judgement(labels, criteria, judged.cases, judged.left_out, notes, letter=letter)


def factor_words(factor: float | None) -> str:
    """Return the factor by which every case moved; empty if they did not move alike."""
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
    told = with_columns(case)
    verdict = told.pop("verdict")
    told["processes"] = list(case.processes)
    told = {"name": verdict["name"], "verdict": verdict["verdict"], "reason": verdict["reason"], **told}
    told["timed"] = verdict["columns"]
    found = [each for column in verdict["columns"] for each in column["evidence"]]
    for each in [*found, *(change["evidence"] for change in told["changed"])]:
        each.pop("pairs", None)  # there are none here
    return told


def with_columns(of_case: SideBySide | CaseVerdict) -> dict[str, Any]:
    """Return what was found of a case, the case itself by its columns."""
    told = dataclasses.asdict(of_case)
    del told["case"]
    return {"columns": of_case.case.columns, **told}
