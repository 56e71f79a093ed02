"""`bench compare`: two stored runs against each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.errors import UsageError, nearest
from bench.options import IMPLEMENTATION, names_of, with_options
from bench.options.judging import JUDGING, criteria_of
from bench.options.paths import READ
from bench.output.outfile import write_output
from bench.output.streams import note, say_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.data.run import StoredRun
    from bench.model.case import Case

_JUDGING = ("alpha", "margin", "tolerance", "allow_inconclusive", "junit")


@click.command()
@click.argument("run_a", type=READ)
@click.argument("run_b", type=READ)
@IMPLEMENTATION
@click.option("--across", is_flag=True, help="Describe runs of different machines or versions, without verdicts.")
@with_options(JUDGING)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def compare(
    run_a: Path,
    run_b: Path,
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
    their times side by side and judges nothing. If every case moved by one factor, baselines included, it says so.

    Exit status: 0 PASS, 1 REGRESSION, 3 INCONCLUSIVE, 4 INVALID (missing, wrong or failed in a run), 2 refused or wrong
    use, 5 no case in common.
    """
    from bench.analysis.compare import all_cases, incomparable
    from bench.analysis.stored import case_times
    from bench.data.run import StoredRun
    from bench.output.names import case_names

    if across:
        _refuse_judging()
    criteria = criteria_of(alpha=alpha, margin=margin, tolerance=tolerance)
    runs = (StoredRun(run_a), StoredRun(run_b))
    odd = incomparable(*runs)
    if odd and not across:
        raise UsageError(
            f"{run_a} and {run_b} cannot be judged against each other, since this differs or is unknown (A / B): "
            f"{'; '.join(odd)}; measure both alike, or add --across to describe them without verdicts."
        )
    times = case_times(runs[0]), case_times(runs[1])
    names = case_names(_chosen(all_cases(*times), implementation))
    if across:
        _describe(runs, times, names, odd, as_json)
    else:
        shown: dict[str, Any] = {"allow_inconclusive": allow_inconclusive, "junit": junit, "as_json": as_json}
        _judge((run_a, run_b), runs, times, names, criteria, **shown)


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
            raise UsageError(f"-i {name}: neither run has such an implementation; {nearest(name, known)}")
    return [case for case in cases if not names or case.implementation in names]


def _describe(
    runs: tuple[StoredRun, StoredRun],
    times: tuple[Any, Any],
    names: Mapping[Case, str],
    odd: Sequence[str],
    as_json: bool,
) -> None:
    from bench.analysis.compare import also_different, common_factor
    from bench.analysis.compare import compare as compare_runs
    from bench.analysis.run_verdicts import without_times
    from bench.output.content.compare import compare_json, description
    from bench.output.render.terminal import show

    left_out = {names[case]: reason for case, reason in without_times(*times, names).items()}
    rows = compare_runs(*times, names)
    differing = [*odd, *also_different(runs[0].manifest, runs[1].manifest)]
    factor = common_factor(rows, runs[0].manifest)
    if as_json:
        told = {"verdict": None, "differences": differing, "common_factor": factor}
        say_json({**told, "cases": compare_json(rows), "not_compared": left_out})
        return
    show(description(rows, names, left_out, differing, factor))


def _judge(
    folders: tuple[Path, Path],
    runs: tuple[StoredRun, StoredRun],
    times: tuple[Any, Any],
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

    calibration = load_calibration()
    judged = judge_runs(*times, names, criteria)
    noted = also_different(runs[0].manifest, runs[1].manifest)
    labels = (run_label(folders[0], runs[0].manifest), run_label(folders[1], runs[1].manifest))
    factor = common_factor(compare_runs(*times, names), runs[0].manifest)
    found = of_runs(judged, criteria, labels, noted, calibration, factor)
    if as_json:
        told = {"a": runs[0].manifest.run_id, "b": runs[1].manifest.run_id}
        told |= verdicts_json(judged, found, noted, factor)
        say_json(told)
    else:
        show(verdict_blocks(found))
    if junit is not None:
        write_output(junit, junit_xml(found, allow_inconclusive))
        note(f"wrote {junit}")
    sys.exit(exit_code((case.verdict.verdict for case in judged.cases), allow_inconclusive))
