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
    from collections.abc import Mapping, Sequence

    from bench.analysis.stored import CaseTimes
    from bench.data.run import StoredRun
    from bench.model.case import Case

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
    """Judge stored run B against stored run A, case by case: REGRESSION, PASS, INCONCLUSIVE or INVALID.

    The rule is that of `bench ab`, which is surer: two runs were measured at two times, and how the machine drifted
    between them is in no bound.

    Runs of different machines, library versions or variables that change results or speed are refused; --across shows
    the times of two or more runs side by side and judges nothing. If every case moved by one factor, baselines
    included, it says so.

    Exit status: 0 PASS, 1 REGRESSION, 3 INCONCLUSIVE, 4 INVALID (missing, wrong or failed in a run), 2 refused or wrong
    use, 5 no case in common.
    """
    from bench.analysis.compare import all_cases, incomparable
    from bench.analysis.stored import case_times
    from bench.data.run import StoredRun
    from bench.output.names import case_names

    _check_number(len(runs), across)
    if across:
        _refuse_judging()
    criteria = criteria_of(alpha=alpha, margin=margin, tolerance=tolerance)
    stored = [StoredRun(folder) for folder in runs]
    if not across and (odd := incomparable(stored[0], stored[1])):
        raise UsageError(
            f"{runs[0]} and {runs[1]} cannot be judged against each other, since this differs or is unknown (A / B): "
            f"{'; '.join(odd)}; measure both alike, or add --across to describe them without verdicts."
        )
    times = [case_times(run) for run in stored]
    names = case_names(_chosen(all_cases(*times), implementation))
    if across:
        _describe(stored, times, names, as_json)
    else:
        shown: dict[str, Any] = {"allow_inconclusive": allow_inconclusive, "junit": junit, "as_json": as_json}
        _judge(stored, times, names, criteria, **shown)


def _check_number(runs: int, across: bool) -> None:
    if runs < 2:
        raise UsageError("One run was named: name the run to compare with and the run to judge, in this order.")
    if runs > 2 and not across:
        raise UsageError(f"{runs} runs were named: a verdict is over two; add --across to describe more.")
    if runs > len(ascii_uppercase):
        raise UsageError(f"{runs} runs were named: --across shows at most {len(ascii_uppercase)} side by side.")


def _refuse_judging() -> None:
    """Refuse options beside --across that only a verdict needs."""
    context = click.get_current_context()
    for item in context.command.params:
        source = context.get_parameter_source(item.name or "")
        if item.name in _JUDGING and source is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"--across gives no verdict, so it has no use for {item.opts[0]}: leave out one of them.")


def _chosen(cases: Sequence[Case], wanted: tuple[str, ...]) -> list[Case]:
    """Choose the cases of the implementations that were named, or all of them."""
    known = {case.implementation for case in cases}
    names = names_of(wanted)
    for name in names:
        if name not in known:
            raise UsageError(f"-i {name}: no run has such an implementation; {nearest(name, known)}")
    return [case for case in cases if not names or case.implementation in names]


def _describe(
    runs: Sequence[StoredRun], times: Sequence[Mapping[Case, CaseTimes]], names: Mapping[Case, str], as_json: bool
) -> None:
    from bench.analysis.compare import also_different, common_factor, incomparable
    from bench.analysis.compare import compare as compare_runs
    from bench.analysis.run_verdicts import without_times
    from bench.output.content.compare import Beside, description, description_json, run_label
    from bench.output.render.terminal import show

    first, others = runs[0], []
    for letter, run, theirs in zip(ascii_uppercase[1:], runs[1:], times[1:], strict=False):
        left_out = {names[case]: reason for case, reason in without_times(times[0], theirs, names).items()}
        rows = tuple(compare_runs(times[0], theirs, names, f"A{letter}"))
        differing = (*incomparable(first, run), *also_different(first.manifest, run.manifest))
        label, factor = run_label(run.folder, run.manifest), common_factor(rows, first.manifest)
        others.append(Beside(letter, label, rows, left_out, differing, factor))
    if as_json:
        say_json(description_json(others))
    else:
        show(description(run_label(first.folder, first.manifest), others, names))


def _judge(
    runs: Sequence[StoredRun],
    times: Sequence[Mapping[Case, CaseTimes]],
    names: Mapping[Case, str],
    criteria: Any,
    *,
    allow_inconclusive: bool,
    junit: Path | None,
    as_json: bool,
) -> None:
    from bench.analysis.compare import also_different, common_factor
    from bench.analysis.compare import compare as compare_runs
    from bench.analysis.rule import exit_code
    from bench.analysis.run_verdicts import judge_runs
    from bench.output.ci import junit as junit_xml
    from bench.output.content.compare import of_runs, run_label, verdicts_json
    from bench.output.content.verdicts import verdict_blocks
    from bench.output.render.terminal import show
    from bench.run.calibration import load as load_calibration

    (a, b), calibration = runs, load_calibration()
    judged = judge_runs(times[0], times[1], names, criteria)
    noted = also_different(a.manifest, b.manifest)
    labels = (run_label(a.folder, a.manifest), run_label(b.folder, b.manifest))
    factor = common_factor(compare_runs(times[0], times[1], names), a.manifest)
    found = of_runs(judged, criteria, labels, noted, calibration, factor)
    if as_json:
        told = {"a": a.manifest.run_id, "b": b.manifest.run_id}
        told |= verdicts_json(judged, found, noted, factor)
        say_json(told)
    else:
        show(verdict_blocks(found))
    if junit is not None:
        write_junit(junit, junit_xml(found, allow_inconclusive))
    sys.exit(exit_code((case.verdict.verdict for case in judged.cases), allow_inconclusive))
