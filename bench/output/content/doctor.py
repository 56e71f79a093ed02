"""The findings of `bench doctor`: about a machine, and whether measuring works on a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from bench.output.content.passages import passages
from bench.output.document import Block, Cell, Head, Heading, Line, numbers, table
from bench.output.text import duration, significant
from bench.run.doctor import Report
from bench.run.prove import Proof


def doctor_blocks(report: Report) -> list[Block]:
    """Return the machine, what disturbs it, its backends, and its noise floor."""
    machine = report.machine
    conditions: list[Line] = [
        [finding.name, Cell(finding.state, tone="warn" if finding.disturbs else ""), finding.cure or "-"]
        for finding in report.findings
    ]
    backends = [[item.name, "yes" if item.present else f"no: {item.reason}"] for item in report.backends]
    told = passages(
        "doctor.txt",
        "machine",
        machine=machine,
        memory=significant(int(machine["memory_bytes"] or 0) / 2**30),
        resolution=duration(report.clock_resolution_seconds),
        cost=duration(report.clock_cost_seconds),
    )
    heads = [Head("condition"), Head("state", wraps=True), Head("cure", wraps=True)]
    return [
        Heading("Machine"),
        *told,
        table("conditions", "What disturbs measurements here", heads, conditions),
        table("backends", "Backends", ["backend", Head("available", wraps=True)], backends),
        *_noise(report),
    ]


def _noise(report: Report) -> list[Block]:
    measured = [floor for floor in report.noise if not floor.reason]
    missing = len(measured) < len(report.noise)
    rows = []
    for floor in report.noise:
        found = ["-"] * 5
        if not floor.reason:
            shares = [f"{floor.spread:.1%}", f"{floor.detectable:.1%}"]
            found = [str(floor.pairs), f"{floor.ratio:.3f}", *shares, duration(floor.start_seconds)]
        rows.append([floor.case, *found, *([floor.reason] if missing else [])])
    heads = [Head("case", wraps=True), *numbers("pairs", "B / A", "spread", "detectable", "fork to first step")]
    heads += [Head("reason", wraps=True)] if missing else []
    worst = max((floor.detectable for floor in measured), default=None)
    told = passages("doctor.txt", "noise", worst=worst, percent=f"{worst or 0.0:.1%}")
    return [table("noise", "Noise floor, from an A/A", heads, rows), *told]


def proof_blocks(proofs: Sequence[Proof]) -> list[Block]:
    """Return one row for each check, and what they all mean."""
    rows: list[Line] = []
    for proof in proofs:
        word = Cell("PASS", tone="good") if proof.check.passed else Cell("FAIL", tone="bad")
        rows.append([word, proof.subject, proof.check.name, proof.check.detail])
    heads = [Head(""), Head("subject", wraps=True), Head("check"), Head("found", wraps=True)]
    failed = sum(not proof.check.passed for proof in proofs)
    end = "Every check passed: times that the harness measures on this device can be trusted."
    if failed:
        end = f"{failed} of {len(proofs)} checks failed: do not trust times of this device before they pass."
    return [table("proofs", (), heads, rows), (end,)]


def proof_json(proofs: Sequence[Proof]) -> list[dict[str, Any]]:
    """Return the checks, for programs."""
    return [{"subject": proof.subject, **dataclasses.asdict(proof.check)} for proof in proofs]


def doctor_json(report: Report) -> Any:
    """Return the report, for programs; unknown figures are null."""
    return to_jsonable_python(report, inf_nan_mode="null")
