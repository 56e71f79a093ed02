"""Stored runs: the verdicts over two of them, or the times of any number side by side without any."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from bench.stats.estimates import Estimate
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


@dataclass(frozen=True)
class Beside:
    """A run beside the first one, without a verdict."""

    letter: str
    """The one that stands for it."""
    label: str
    """The run, from `run_label`."""
    rows: tuple[SideBySide, ...]
    left_out: Mapping[str, str]
    """The names of cases that neither run measured, with the reason."""
    differing: tuple[str, ...]
    """How the runs differ, each as `name: A / B`."""
    factor: float | None
    """The one by which every case moved; None if they did not move alike."""


def description(first: str, others: Sequence[Beside], names: Mapping[Case, str]) -> list[Block]:
    """Return runs beside the first one, case by case, without a verdict.

    Args:
        first: the first run, which is called A, from `run_label`.
        others: the others.
        names: of the cases, in their order.
    """
    found = {each.letter: {row.case: row for row in each.rows} for each in others}
    lines: list[list[str]] = []
    for case, name in names.items():
        beside = {letter: rows[case] for letter, rows in found.items() if case in rows}
        of_first = next((row.seconds_a for row in beside.values()), None)
        lines += [[name, "A", _time(of_first), "-", "-", ""]] if beside else []
        for letter, row in beside.items():
            lines.append(["", letter, _time(row.seconds_b), *_ratio(row.ratio), row.reason])
    noted = 6 if any(line[5] for line in lines) else 5
    heads: list[Head | str] = [Head("case", wraps=True), "run", *numbers("step", "over A", "95 % interval")]
    heads += [Head("note", wraps=True)]
    notes = [
        prose("A: {}.", first),
        *(prose("{}: {}.", each.letter, each.label) for each in others),
        prose("Over 1 means that a run took longer than A. No verdict: it may be due to anything that differs."),
    ]
    for each in others:
        of = f"{each.letter}: " if len(others) > 1 else ""
        notes += passages("verdicts.txt", "moved", factor=_factor(each.factor), of=of)
        notes += [prose("{}not compared: {}: {}.", of, name, reason) for name, reason in each.left_out.items()]
        notes += [prose("The runs differ in {} (A / {}).", item, each.letter) for item in each.differing]
    return [table("compare", (), heads[:noted], [line[:noted] for line in lines]), Bullets(tuple(notes))]


def _ratio(ratio: Estimate | None) -> list[str]:
    if ratio is None:
        return ["-", "-"]
    return [f"{ratio.value:.3f}", interval(ratio.low, ratio.high, "{:.3f}".format)]


def _time(seconds: Estimate | None) -> str:
    return duration(None if seconds is None else seconds.value)


def description_json(others: Sequence[Beside]) -> dict[str, Any]:
    """Return for programs what `description` says; ratios are over the first run."""
    return {
        "verdict": None,
        "others": [
            {
                "run": each.letter,
                "label": each.label,
                "differences": list(each.differing),
                "common_factor": each.factor,
                "cases": [_with_columns(row) for row in each.rows],
                "not_compared": dict(each.left_out),
            }
            for each in others
        ],
    }


def _with_columns(of_case: SideBySide | CaseVerdict) -> dict[str, Any]:
    """Return what was found of a case, the case itself by its columns."""
    told = dataclasses.asdict(of_case)
    del told["case"]
    return {"columns": of_case.case.columns, **told}
