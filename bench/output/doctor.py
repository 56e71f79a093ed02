"""What `bench doctor` shows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.output.terminal import plain_table
from bench.output.text import duration
from bench.run.doctor import Report
from bench.run.prove import Proof

_TOO_NOISY = 1.0


def doctor_table(report: Report) -> RenderableType:
    """The report, as sections for the terminal."""
    machine = report.machine
    lines = [
        f"{machine['cpu']}, {machine['cpus_usable']} of {machine['cpus']} CPUs usable, "
        f"{int(machine['memory_bytes'] or 0) / 2**30:.1f} GiB; {machine['system']}; Python {machine['python']}",
        f"clock: resolution {duration(report.clock_resolution_seconds)}, "
        f"one reading costs {duration(report.clock_cost_seconds)}",
    ]
    parts: list[RenderableType] = [Text("Machine", style="bold"), *(Text(line) for line in lines), Text()]
    parts += [Text("What disturbs measurements here", style="bold"), _conditions(report), Text()]
    parts += [Text("Backends", style="bold"), _backends(report), Text()]
    parts += [Text("Noise floor, from an A/A", style="bold"), *_noise(report)]
    return Group(*parts)


def _conditions(report: Report) -> Table:
    table = plain_table("condition", "state", "cure", wrap=["state", "cure"])
    for finding in report.findings:
        style = "yellow" if finding.disturbs else ""
        table.add_row(Text(finding.name), Text(finding.state, style=style), Text(finding.cure or "-"))
    return table


def _backends(report: Report) -> Table:
    table = plain_table("backend", "available", wrap=["available"])
    for backend in report.backends:
        table.add_row(backend.name, Text("yes" if backend.present else f"no: {backend.reason}"))
    return table


def _noise(report: Report) -> list[RenderableType]:
    numbers = ["pairs", "B / A", "spread", "sees slowdowns from", "fork to first step"]
    table = plain_table("case", *numbers, right=numbers, wrap=["case"])
    for floor in report.noise:
        if floor.reason:
            table.add_row(Text(floor.case), "-", "-", "-", Text(floor.reason), "-")
            continue
        table.add_row(
            Text(floor.case),
            str(floor.pairs),
            f"{floor.ratio:.3f}",
            f"{floor.spread:.1%}",
            f"{floor.detectable:.1%}",
            duration(floor.start_seconds),
        )
    measured = [floor.detectable for floor in report.noise if not floor.reason]
    worst = max(measured, default=0.0)
    if not measured:
        sentence = "No noise floor: no case could be measured."
    elif worst > _TOO_NOISY:
        sentence = "This machine is too noisy now to see anything: cure what is named above, and look again."
    else:
        sentence = (
            f"On this machine this harness sees slowdowns from {worst:.1%} on (in its noisiest case): what a paired "
            "test over so many pairs of fresh processes finds 4 times in 5, with 1 false alarm in 100. More pairs see "
            "smaller ones."
        )
    return [table, Text(sentence)]


def proof_table(proofs: Sequence[Proof]) -> RenderableType:
    """One line a check, and what it all means."""
    table = plain_table("", "subject", "check", "found", wrap=["subject", "found"])
    for proof in proofs:
        passed = proof.check.passed
        verdict = Text("PASS", style="green") if passed else Text("FAIL", style="bold red")
        table.add_row(verdict, Text(proof.subject), Text(proof.check.name), Text(proof.check.detail))
    failed = sum(not proof.check.passed for proof in proofs)
    if failed:
        end = f"{failed} of {len(proofs)} checks failed: do not trust times of this device before they pass."
    else:
        end = "Every check passed: the harness measures this device as it says."
    return Group(table, Text(), Text(end))


def proof_json(proofs: Sequence[Proof]) -> list[dict[str, Any]]:
    """The checks, for programs."""
    return [{"subject": proof.subject, **dataclasses.asdict(proof.check)} for proof in proofs]


def doctor_json(report: Report) -> dict[str, Any]:
    """The report, for programs; unknown figures are null."""
    raw = dataclasses.asdict(report)
    for floor in raw["noise"]:
        for name, value in floor.items():
            floor[name] = None if isinstance(value, float) and math.isnan(value) else value
    return raw
