"""`bench doctor`: what this machine is, whether measuring works on a device, and how often verdicts are wrong here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bench.errors import outliving
from bench.options import LOAD, TIMEOUT, warn
from bench.options.numeric import PAIRS_LIMIT, Duration, Threads, Whole
from bench.options.planning import is_given
from bench.output.streams import note, say, say_json


@click.command()
@click.option(
    "--threads", type=Threads(), default="all", show_default=True, help="CPU threads of the A/A and of --device."
)
@click.option(
    "--pairs",
    type=Whole(3, PAIRS_LIMIT),
    default=10,
    show_default=True,
    help="Pairs of processes for each case of the A/A; with --calibrate, the most of a verdict, instead of 44.",
)
@TIMEOUT
@click.option(
    "--device", metavar="cuda", help="Prove instead that measuring on this device works: PASS or FAIL for each check."
)
@LOAD
@click.option("--calibrate", is_flag=True, help="Measure instead how often verdicts of ab and gate are wrong here.")
@click.option("--budget", type=Duration(), default="10m", show_default=True, help="Time to calibrate for.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def doctor(
    threads: int,
    pairs: int,
    timeout: float | None,
    device: str | None,
    load: tuple[Path, ...],
    calibrate: bool,
    budget: float,
    as_json: bool,
) -> None:
    """Say what this machine is, what on it disturbs measurements, and what it can resolve.

    It only looks: every cure is a command for you to run. It names cores of two kinds, a container's quota, and each
    environment variable that changes results or speed. The noise floor comes from a short A/A, the same case against
    itself in pairs of fresh processes.

    With --device it checks on new hardware that the device's clock agrees with the host's, that holding it back works,
    that twice the work takes twice the time, and that every implementation is right there and never waits inside a
    phase. It exits with 4 if a check fails.

    With --calibrate it judges a step against itself, as it is and with delays of 2, 5 and 10 % planted in one phase:
    how often that is called a REGRESSION, and how often the right phase is named. `bench gate` then quotes it. It
    takes --budget, and measures with one thread. The figure `power` is drawn beside the result's file. With --device as
    well it measures there, and keeps nothing: gates quote what was found on the CPU.
    """
    if calibrate:
        on: dict[str, Any] = {} if device is None else {"device": device, "load": load}
        _calibrate(budget, timeout, as_json, **on, **({"pairs": pairs} if is_given("pairs") else {}))
    elif device is not None:
        _prove(device, load, threads, timeout, as_json)
    else:
        _examine(threads, pairs, timeout, as_json)


def _prove(device: str, load: tuple[Path, ...], threads: int, timeout: float | None, as_json: bool) -> None:
    from bench.output.content.doctor import proof_blocks, proof_json
    from bench.output.progress import Progress
    from bench.output.render.terminal import show
    from bench.run.session import prove_device

    with Progress() as progress:
        proofs = prove_device(device, load, progress, threads, timeout)
    if as_json:
        say_json(proof_json(proofs))
    else:
        show(proof_blocks(proofs))
    sys.exit(0 if all(proof.check.passed for proof in proofs) else 4)


def _calibrate(budget: float, timeout: float | None, as_json: bool, **where: Any) -> None:
    from bench.output.figures import draw_calibration
    from bench.output.progress import Progress
    from bench.run.calibrate import calibrate_machine

    with Progress() as progress:
        found, path = calibrate_machine(progress, budget, timeout, **where)
    if as_json:
        say_json(found.model_dump(mode="json"))
    else:
        say(found.sentence())
    if path is not None:
        note(f"wrote {path}")
        with outliving(warn):
            draw_calibration(path, report=lambda drawn: note(f"wrote {drawn}"))


def _examine(threads: int, pairs: int, timeout: float | None, as_json: bool) -> None:
    from bench.output.content.doctor import doctor_blocks, doctor_json
    from bench.output.progress import Progress
    from bench.output.render.terminal import show
    from bench.run.session import examine_machine

    with Progress() as progress:
        report = examine_machine(progress, threads, pairs, timeout)
    if as_json:
        say_json(doctor_json(report))
    else:
        show(doctor_blocks(report))
