"""What `bench run` shows at its end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.analysis.card import CardCell
from bench.data.schema import STEP, Method, Status, SummaryRow
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.output.content.result import run_blocks, summary_json
from bench.output.content.summary import Summary
from bench.output.text import duration, duration_interval, factor, factor_interval, significant
from bench.stats.estimates import Estimate

Show = Callable[..., str]

widths = pytest.mark.parametrize("width", [140, 100, 80])
NO_DRIVER = "no CUDA device: no NVIDIA driver is installed"


def joined(text: str) -> str:
    """The words, however lines were wrapped."""
    return " ".join(text.split())


@pytest.fixture(scope="session")
def screen(build: ModuleType, shown: Show) -> Show:
    """What a terminal shows of a run with these rows."""

    def show(rows: Sequence[SummaryRow], width: int = 140, card: Sequence[CardCell] = (), **manifest: Any) -> str:
        return shown(run_blocks(Summary(rows, build.make_manifest(**manifest)), "RUN", card), width)

    return show


@pytest.fixture
def made(build: ModuleType, tmp_path: Path) -> Any:
    return build.HandMade(tmp_path / "run")


@pytest.fixture(scope="module")
def measured(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[SummaryRow]:
    """Two workloads, a fused case, a skipped one and a wrong one."""
    made = build.HandMade(tmp_path_factory.mktemp("measured") / "run")
    base, custom = made.plan(), made.plan("torch_custom_function", "torch-cpu")
    graph = made.plan("tf_static_graph", "tf-graph")
    made.plan("torch_custom_function", "torch-cuda", skipped=NO_DRIVER)
    made.plan("torch_tensor", "torch-cuda", skipped=NO_DRIVER)
    wrong = made.plan("torch_tensor", "torch-cpu")
    other = made.plan("numpy_dynamic", workload="mlp_dynamic")
    made.process(wrong, status=Status.WRONG, reason="w1: relative error 0.5 in step 1, allowed is 1e-04.")
    for number in range(8):
        spread = 1 + number / 40
        for case, seconds in ((base, 6e-4), (custom, 8.07e-4 * spread), (graph, 2.4e-3), (other, 1.1)):
            phases = {"forward": [seconds * 0.4], "backward": [seconds * 0.5], "update": [seconds * 0.2]}
            method = Method.PROFILED if case is graph else Method.STAGED
            made.process(case, number, step=[seconds * spread], phases=phases, method=method, first=3.0)
            if case is other:
                made.process(case, number, by_variant={0: [0.777]})
    rows: list[SummaryRow] = made.summary()
    return rows


def headline(rows: Sequence[SummaryRow]) -> list[SummaryRow]:
    return [row for row in rows if row.status is Status.OK and row.phase == STEP and row.variant is None]


@widths
def test_every_measured_case_has_its_own_numbers(measured: list[SummaryRow], width: int, screen: Show) -> None:
    text = screen(measured, width)
    rows = headline(measured)
    assert len(rows) == 4
    for row in rows:
        assert f" {duration(row.median_seconds)} " in joined(text)
    assert joined(text).count(" baseline ") >= 2
    for name in ("torch_custom_function", "tf_static_graph"):
        (row,) = (row for row in rows if row.case.implementation == name)
        assert f" {factor(row.speedup)}" in joined(text)


@widths
def test_no_number_is_cut_off(measured: list[SummaryRow], width: int, screen: Show) -> None:
    text = screen(measured, width)
    times = {duration_interval(row.low_seconds, row.high_seconds) for row in headline(measured)}
    speedups = {factor_interval(row.speedup_low, row.speedup_high) for row in headline(measured)}
    known = times | speedups
    found = {" ".join(match.split()) for match in re.findall(r"[\d.]+ …(?: [\d.]+)?(?: (?:s|ms|µs|ns)\b)?", text)}
    assert found - known == set()
    assert found


def test_a_wide_table_has_phases_tax_and_intervals(measured: list[SummaryRow], screen: Show) -> None:
    text = screen(measured)
    (line,) = (line for line in text.splitlines() if line.startswith("torch_custom_function"))
    values = {
        row.phase: row for row in measured if row.case.implementation == "torch_custom_function" and row.median_seconds
    }
    step = values["step"]
    assert re.split(r" {2,}", line.strip()) == [
        "torch_custom_function",
        "torch-cpu",
        duration(step.median_seconds),
        duration_interval(step.low_seconds, step.high_seconds),
        factor(step.speedup),
        factor_interval(step.speedup_low, step.speedup_high),
        *(duration(values[phase].median_seconds) for phase in ("forward", "backward", "update")),
        f"{step.sync_tax * 100:+.1f} %",
        significant(step.per_second),
    ]


def test_a_fused_case_shows_shares_and_says_where_they_are_from(measured: list[SummaryRow], screen: Show) -> None:
    text = screen(measured)
    (line,) = (line for line in text.splitlines() if line.startswith("tf_static_graph"))
    assert line.split()[-8:-1] == ["~36", "%", "~45", "%", "~18", "%", "-"]
    assert "own profiler" in text
    without = [row for row in measured if row.case.implementation != "tf_static_graph"]
    assert "own profiler" not in screen(without)


def test_workloads_have_tables_of_their_own_in_their_order(measured: list[SummaryRow], screen: Show) -> None:
    text = screen(measured[::-1])
    assert text.index("mlp_sgd: no bias, SGD") < text.index("numpy_manual") < text.index("mlp_dynamic: random depth")
    assert text.index("mlp_dynamic: random depth") < text.index("numpy_dynamic")
    assert "mlp_bias_adam" not in text


def test_single_steps_by_variant_have_a_table_and_first_steps_none(measured: list[SummaryRow], screen: Show) -> None:
    text = screen(measured)
    assert re.search(r"^implementation +backend +variant 0\nnumpy_dynamic +numpy +777 ms$", text, flags=re.MULTILINE)
    assert text.count("numpy_dynamic") == 2


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMEOUT])
def test_what_failed_is_listed_with_a_reason_in_brackets(made: Any, status: Status, screen: Show) -> None:
    made.process(made.plan(), status=status, reason="KeyError: [/red] and [bold]")
    made.plan("torch_custom_function", "torch-cuda", skipped=NO_DRIVER)
    made.plan("torch_tensor", "torch-cuda", skipped=NO_DRIVER)
    text = joined(screen(made.summary(), 80))
    assert text.startswith(f"{status.value}: numpy_manual on numpy: KeyError: [/red] and [bold]")
    assert f"skipped on torch-cuda: torch_custom_function, torch_tensor: {NO_DRIVER}" in text


@pytest.mark.parametrize(
    ("ended_by", "words"),
    [
        ("precision", "Done after 10.0 s and 8 rounds: every speedup's interval is within ± 2.0 %"),
        ("rounds", "Done after 10.0 s and 8 rounds, as asked for."),
        ("failures", "Ended after 10.0 s and 8 rounds: no case was left"),
        ("budget", "The `--budget` was spent after 10.0 s and 8 rounds, before every speedup's"),
        ("interrupted", "Interrupted after 10.0 s and 8 rounds: `bench run --resume RUN` goes on with it."),
        ("unfinished", "Not finished after 10.0 s and 8 rounds: `bench run --resume RUN`"),
    ],
)
def test_how_the_run_ended(measured: list[SummaryRow], screen: Show, ended_by: str, words: str) -> None:
    text = joined(screen(measured, ended_by=ended_by, wall_seconds=9.96, rounds=None, rounds_done=8))
    assert "in 8 fresh processes" in text
    assert words in text


def test_too_few_processes_are_said_to_be_too_few(made: Any, screen: Show) -> None:
    one, two = made.plan(), made.plan("torch_tensor", "torch-cpu")
    for number in range(5):
        made.process(one, number, step=[1.0])
    for number in range(6):
        made.process(two, number, step=[1.0])
    text = joined(screen(made.summary()))
    assert "in 5 to 6 fresh processes" in text
    assert "raise `--budget` or `--rounds`" in text


def test_names_of_40_characters_leave_the_numbers_whole(made: Any, screen: Show) -> None:
    base, mine = made.plan(), made.plan("implementation_with_a_really_long_name01", "torch-cuda")
    for number in range(6):
        made.process(base, number, step=[8.12e-4])
        made.process(mine, number, step=[3.21e-4])
    text = joined(screen(made.summary(), 80))
    assert all(part in text for part in (" 812 µs ", " 321 µs ", " 2.53x"))


def test_the_summary_as_json_has_null_for_the_unknown(measured: list[SummaryRow]) -> None:
    rows = json.loads(json.dumps(summary_json(measured), allow_nan=False))
    assert len(rows) == len(measured)
    skipped = next(row for row in rows if row["status"] == "skipped")
    assert (skipped["median_seconds"], skipped["method"], skipped["speedup"]) == (None, None, None)
    step = next(row for row in rows if row["phase"] == "step" and row["implementation"] == "torch_custom_function")
    assert step["median_seconds"] > 0
    assert (step["method"], step["status"], step["size.batch"]) == ("whole", "ok", 64)


def test_each_variant_has_a_table_of_its_cases_whose_heading_says_what_differs(made: Any, screen: Show) -> None:
    for threads, base in ((1, 8e-4), (2, 6e-4)):
        made.process(made.plan(threads=threads), step=[base])
        for mode, seconds in ((Mode.RESIDENT_WARM, 2e-4), (Mode.TRANSFERRED_WARM, 3e-4)):
            made.process(made.plan("torch_tensor", "torch-cuda", threads=threads, mode=mode), step=[seconds])
    shared, *tables = screen(made.summary()).split("mlp_sgd: ")
    assert shared.startswith("batch 64, d-in 1000, hidden 100, d-out 10, float32; Imaginary Processor")
    assert [table.splitlines()[0].strip() for table in tables] == [
        f"no bias, SGD, {threads}, {mode}"
        for threads in ("1 CPU thread", "2 CPU threads")
        for mode in ("resident-warm", "transferred-warm")
    ]
    assert ["numpy_manual" in table.split("\n\n")[0] for table in tables] == [True, False, True, False]
    for table, speedup in zip(tables, ("4.00x", "2.67x", "3.00x", "2.00x"), strict=True):
        assert f" {speedup}" in table


def test_what_all_cases_share_is_said_once_and_only_where_it_is_unusual(made: Any, screen: Show) -> None:
    made.process(made.plan(mode=Mode.RESIDENT_COLD, precision=Precision.TF32), step=[1.0])
    text = screen(made.summary())
    first = text.splitlines()[0]
    assert first.startswith(
        "batch 64, d-in 1000, hidden 100, d-out 10, float32, 2 CPU threads, resident-cold, tf32 precision; "
    )
    assert "mlp_sgd: no bias, SGD\n" in text


def test_a_device_with_a_clock_has_a_column_and_a_note(made: Any, screen: Show) -> None:
    made.process(made.plan(), step=[8e-4])
    phases = {"forward": [1e-4], "backward": [1.1e-4], "update": [1.2e-4]}
    on_device = {"forward": [1e-6], "backward": [2e-6], "update": [3e-6], "step": [3.21e-5]}
    made.process(made.plan("torch_tensor", "torch-cuda"), step=[2e-4], phases=phases, on_device=on_device)
    text = screen(made.summary())
    header, cpu, gpu = (
        next(line for line in text.splitlines() if line.startswith(name))
        for name in ("implementation", "numpy_manual", "torch_tensor")
    )
    assert "on device" in header
    assert " 32.1 µs " in gpu
    assert " 100 µs 110 µs 120 µs " in joined(gpu), "phases are by the host's clock, as the step beside them"
    assert " - " in cpu
    assert "on device: how long the device was busy, by its own clock" in text
    assert text.count("torch_tensor") == 1


def test_the_part_of_the_peak_is_shown_where_there_is_one(
    made: Any, measured: list[SummaryRow], build: ModuleType, screen: Show
) -> None:
    made.process(made.plan(), step=[1e-3])
    rows = made.summary(peaks=[build.make_peak()])
    (row,) = rows
    assert row.peak_fraction == pytest.approx(0.25984)
    text = screen(rows)
    assert "of peak" in text
    assert "of peak" not in screen(measured)
    assert "on device" not in text
    (line,) = (line for line in text.splitlines() if line.startswith("numpy_manual"))
    assert line.rstrip().endswith(" 26 %   64000")


@pytest.mark.parametrize(("rounds", "words"), [((1,), "1 round was left out"), ((1, 2), "2 rounds were left out")])
def test_throttled_rounds_are_said_to_be_left_out(made: Any, rounds: tuple[int, ...], words: str, screen: Show) -> None:
    case = made.plan("torch_tensor", "torch-cuda")
    for number in range(4):
        made.process(case, number, step=[1.0], throttled="thermal" if number in rounds else "")
    assert words in screen(made.summary())


def test_the_card_stands_between_tables_and_notes(measured: list[SummaryRow], screen: Show) -> None:
    case = next(row.case for row in measured if row.case.implementation == "torch_custom_function")
    cell = CardCell(case, replace(case, implementation="numpy_manual", backend="numpy"), Estimate(7.5))
    text = screen(measured, card=[cell])
    assert text.index("mlp_dynamic:") < text.index("Speedup card") < text.index("7.50x") < text.index("skipped on")
    assert "Speedup card" not in screen(measured)


def test_where_precisions_differ_the_speedup_over_full_and_the_error_stand_beside_each_other(
    build: ModuleType, screen: Show
) -> None:
    low = build.make_case("torch_nn", "torch-cpu", precision=Precision.AMP_BF16)
    rows = [
        build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=0.5, error=2.5e-7),
        build.summary_row(low, median_seconds=0.25, precision_speedup=2.25, error=0.0034),
    ]
    text = screen(rows)
    assert re.search(r"over full.*error", text)
    assert "2.25x" in text
    assert "3.4e-03" in text
    assert "2.5e-07" in text
    alike = screen([replace(row, case=low) for row in rows[1:]])
    assert "over full" not in alike
    assert "3.4e-03" not in alike


def test_throughput_is_the_first_to_go_on_a_narrow_terminal(measured: list[SummaryRow], screen: Show) -> None:
    widest = next(width for width in range(160, 80, -1) if "rows/s" not in screen(measured, width))
    assert widest > 100
    assert "sync tax" in screen(measured, widest)
    assert "forward" in screen(measured, widest)


def test_a_column_that_is_asked_for_is_shown_with_a_dash_and_never_left_out(build: ModuleType, shown: Show) -> None:
    rows = [build.summary_row(median_seconds=0.5, step_peak_bytes=3 << 20, framework_bytes=31 << 20, speedup=1.25)]
    summary = Summary(rows, build.make_manifest())
    columns = ("memory", "framework_memory", "reserved_memory", "speedup")
    for width in (140, 80):
        text = shown(run_blocks(summary, "RUN", columns=columns), width)
        assert re.search(r"backend +memory +before build +reserved +speedup\n", text)
        assert re.search(r"3\.00 MiB +31\.0 MiB +- +1\.25x", text)
    usual = shown(run_blocks(summary, "RUN"), 140)
    assert "3.00 MiB" in usual
    assert "before build" not in usual
    assert "memory" not in shown(run_blocks(summary, "RUN"), 40)
