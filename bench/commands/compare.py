"""`bench compare`: stored runs against each other."""

from __future__ import annotations

import sys
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import click

from bench.errors import UsageError, nearest
from bench.options import IMPLEMENTATION, names_of, with_options
from bench.options.judging import JUDGING, criteria_of, write_junit
from bench.options.paths import READ
from bench.output.streams import say_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.data.foreign import AnyCase
    from bench.data.run import StoredRun

_JUDGING = ("alpha", "margin", "tolerance", "allow_inconclusive", "junit")


@click.command()
@click.argument("runs", metavar="RUN_A RUN_B ...", nargs=-1, required=True, type=READ)
@IMPLEMENTATION
@click.option(
    "--across", is_flag=True, help="Describe two or more runs, of any machines or versions, without verdicts."
)
@with_options(JUDGING)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def compare(
    runs: tuple[Path, ...],
    implementation: tuple[str, ...],
    across: bool,
    alpha: float,
    margin: float,
    tolerance: float,
    allow_inconclusive: bool,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Judge stored runs against the first one, case by case: REGRESSION, PASS, INCONCLUSIVE or INVALID.

    The rule is that of `bench ab`, which is surer: two runs were measured at two times, and how the machine drifted
    between them is in no bound. Of more than two, each is judged against the first, and one correction covers them all:
    the chance of any false REGRESSION is at most --alpha.

    Runs of different machines, library versions or variables that change results or speed are refused, and so is what
    other tools measured; --across shows the times and speedups of two or more runs side by side and judges nothing. If
    every case moved by one factor, baselines included, it says so.

    Exit status: 0 PASS, 1 REGRESSION, 3 INCONCLUSIVE, 4 INVALID (missing, wrong or failed in a run), 2 refused or wrong
    use, 5 no case in common.
    """
    from bench.analysis.several import MOST

    if len(runs) < 2:
        raise UsageError("One run was named: name the run to compare with and the run to judge, in this order.")
    if len(runs) > MOST:
        raise UsageError(f"{len(runs)} runs were named: at most {MOST} can stand side by side.")
    if across:
        _refuse_judging()
        _describe(runs, implementation, as_json)
        return
    criteria = criteria_of(alpha=alpha, margin=margin, tolerance=tolerance)
    shown: dict[str, Any] = {"allow_inconclusive": allow_inconclusive, "junit": junit, "as_json": as_json}
    _judge(runs, implementation, criteria, **shown)


def _refuse_judging() -> None:
    """Refuse options beside --across that only a verdict needs."""
    context = click.get_current_context()
    for item in context.command.params:
        source = context.get_parameter_source(item.name or "")
        if item.name in _JUDGING and source is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"--across gives no verdict, so it has no use for {item.opts[0]}: leave out one of them.")


def _check(cases: Iterable[AnyCase], names: tuple[str, ...]) -> None:
    """Refuse the name of an implementation that no run has."""
    known = {case.implementation for case in cases}
    for name in names:
        if name not in known:
            raise UsageError(f"-i {name}: no run has such an implementation; {nearest(name, known)}")


def _describe(folders: Sequence[Path], wanted: tuple[str, ...], as_json: bool) -> None:
    from bench.analysis.several import read_several
    from bench.output.content.beside import Beside
    from bench.output.render.terminal import show

    several = read_several(folders, only=names_of(wanted))
    _check((case for member in several.members for case in member.seen), several.only)
    found = Beside(several)
    found.check()
    if as_json:
        say_json(found.json())
    else:
        show(found.blocks())


def _judge(
    folders: Sequence[Path],
    wanted: tuple[str, ...],
    criteria: Any,
    *,
    allow_inconclusive: bool,
    junit: Path | None,
    as_json: bool,
) -> None:
    from bench.analysis.compare import all_cases, also_different, common_factor
    from bench.analysis.compare import compare as compare_runs
    from bench.analysis.rule import exit_code, worst
    from bench.analysis.run_verdicts import judge_runs
    from bench.analysis.stored import case_times
    from bench.output.ci import junit as junit_xml
    from bench.output.content.compare import of_runs, run_label, verdicts_json
    from bench.output.content.verdicts import verdict_blocks
    from bench.output.names import case_names
    from bench.output.render.terminal import show
    from bench.run.calibration import load as load_calibration

    a, *others = _comparable(folders)
    (first, *theirs), only, calibration = (
        [case_times(run) for run in (a, *others)],
        names_of(wanted),
        load_calibration(),
    )
    cases = all_cases(first, *theirs)
    _check(cases, only)
    names = case_names(case for case in cases if not only or case.implementation in only)
    every = judge_runs(first, theirs, names, criteria)
    found, told = [], []
    for letter, run, times, judged in zip(ascii_uppercase[1:], others, theirs, every, strict=False):
        noted, factor = (
            also_different(a.manifest, run.manifest),
            common_factor(compare_runs(first, times, names), a.manifest),
        )
        labels = (run_label(a.folder, a.manifest), run_label(run.folder, run.manifest))
        found.append(of_runs(judged, criteria, labels, noted, calibration, factor, letter, len(every)))
        told.append({"b": run.manifest.run_id, **verdicts_json(judged, found[-1], noted, factor)})
    if as_json:
        every_one = {"verdict": worst(judged.verdict for judged in every), "judged": told}
        say_json({"a": a.manifest.run_id, **(told[0] if len(told) == 1 else every_one)})
    else:
        show(verdict_blocks(*found))
    if junit is not None:
        write_junit(junit, junit_xml(*found, allow_inconclusive=allow_inconclusive))
    sys.exit(exit_code((case.verdict.verdict for judged in every for case in judged.cases), allow_inconclusive))


def _comparable(folders: Sequence[Path]) -> list[StoredRun]:
    """Return the runs, or refuse those that no verdict can be given of."""
    from bench.analysis.compare import incomparable
    from bench.data.foreign import is_foreign, read_foreign
    from bench.data.run import StoredRun

    for folder in folders:
        if is_foreign(folder):
            raise UsageError(
                f"{folder} was measured by {read_foreign(folder).measured_by}, and nothing here knows how: no verdict "
                "is given of it; add --across to describe it."
            )
    first, *others = [StoredRun(folder) for folder in folders]
    for run in others:
        if odd := incomparable(first, run):
            raise UsageError(
                f"{first.folder} and {run.folder} cannot be judged against each other, since this differs or is "
                f"unknown (A / B): {'; '.join(odd)}; measure both alike, or add --across to describe them without "
                "verdicts."
            )
    return [first, *others]
