from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console, RenderableType

from bench.analysis.card import CardCell
from bench.data.schema import STEP, Method, Status, SummaryRow
from bench.model.case import Mode
from bench.model.device import Precision
from bench.model.registry import Implementation
from bench.model.workload import WORKLOADS
from bench.oracle.verify import Verification
from bench.output.table import run_table, summary_json, verify_json, verify_table
from bench.output.text import duration, duration_interval, factor, factor_interval
from bench.run.plan import Planned
from bench.stats.estimates import Estimate
from bench.timing.protocol import Reply

WIDTHS = (140, 120, 100, 80)
widths = pytest.mark.parametrize("width", WIDTHS)
NO_DRIVER = "no CUDA device: no NVIDIA driver is installed"


def shown(content: RenderableType, width: int) -> str:
    """What a terminal of that width shows, without colours; never wider than the terminal."""
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(content)
    text = stream.getvalue()
    assert max((len(line) for line in text.splitlines()), default=0) <= width
    return text


def joined(text: str) -> str:
    """The words, however lines were wrapped."""
    return " ".join(text.split())


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
    return [row for row in rows if row.status is Status.OK and row.phase == STEP and row.depth is None]


@widths
def test_every_measured_case_is_shown_with_its_own_numbers(
    build: ModuleType, measured: list[SummaryRow], width: int
) -> None:
    text = shown(run_table(measured, build.make_manifest(), width), width)
    rows = headline(measured)
    assert len(rows) == 4
    for row in rows:
        assert f" {duration(row.median_seconds)} " in joined(text)
    assert joined(text).count(" baseline ") >= 2
    for name in ("torch_custom_function", "tf_static_graph"):
        (row,) = (row for row in rows if row.implementation == name)
        assert f" {factor(row.speedup)}" in joined(text)


@widths
def test_no_number_is_cut_off(build: ModuleType, measured: list[SummaryRow], width: int) -> None:
    text = shown(run_table(measured, build.make_manifest(), width), width)
    times = {duration_interval(row.low_seconds, row.high_seconds) for row in headline(measured)}
    speedups = {factor_interval(row.speedup_low, row.speedup_high) for row in headline(measured)}
    known = times | speedups
    found = {" ".join(match.split()) for match in re.findall(r"[\d.]+ …(?: [\d.]+)?(?: (?:s|ms|µs|ns)\b)?", text)}
    assert found - known == set()
    assert found


def test_a_wide_table_has_phases_tax_and_intervals(build: ModuleType, measured: list[SummaryRow]) -> None:
    text = shown(run_table(measured, build.make_manifest(), 140), 140)
    (line,) = (line for line in text.splitlines() if line.startswith("torch_custom_function"))
    values = {
        row.phase: row for row in measured if row.implementation == "torch_custom_function" and row.median_seconds
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
    ]


def test_a_fused_case_shows_shares_and_says_where_they_are_from(build: ModuleType, measured: list[SummaryRow]) -> None:
    text = shown(run_table(measured, build.make_manifest(), 140), 140)
    (line,) = (line for line in text.splitlines() if line.startswith("tf_static_graph"))
    assert line.split()[-7:] == ["~36", "%", "~45", "%", "~18", "%", "-"]
    assert "own profiler" in text
    without = [row for row in measured if row.implementation != "tf_static_graph"]
    assert "own profiler" not in shown(run_table(without, build.make_manifest(), 140), 140)


def test_workloads_have_tables_of_their_own_in_their_order(build: ModuleType, measured: list[SummaryRow]) -> None:
    text = shown(run_table(measured[::-1], build.make_manifest(), 140), 140)
    assert text.index("mlp_sgd: no bias, SGD") < text.index("numpy_manual") < text.index("mlp_dynamic: random depth")
    assert text.index("mlp_dynamic: random depth") < text.index("numpy_dynamic")
    assert "mlp_bias_adam" not in text


def test_single_depths_share_a_line_and_first_steps_have_none(build: ModuleType, measured: list[SummaryRow]) -> None:
    text = shown(run_table(measured, build.make_manifest(), 140), 140)
    assert text.count("numpy_dynamic on numpy by depth: ") == 1
    assert text.count("numpy_dynamic") == 2
    assert "by depth: 0: 777 ms" in text


@widths
def test_what_is_missing_is_listed_with_its_reason(build: ModuleType, measured: list[SummaryRow], width: int) -> None:
    text = joined(shown(run_table(measured, build.make_manifest(), width), width))
    assert f"skipped on torch-cuda: torch_custom_function, torch_tensor: {NO_DRIVER}" in text
    assert "wrong: torch_tensor on torch-cpu: w1: relative error 0.5 in step 1, allowed is 1e-04." in text


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMEOUT])
def test_what_failed_is_listed_with_a_reason_in_brackets(made: Any, build: ModuleType, status: Status) -> None:
    made.process(made.plan(), status=status, reason="KeyError: [/red] and [bold]")
    text = shown(run_table(made.summary(), build.make_manifest(), 80), 80)
    assert f"{status.value}: numpy_manual on numpy: KeyError: [/red] and [bold]" in text


def test_how_the_run_ended_and_how_much_stands_behind_it(build: ModuleType, measured: list[SummaryRow]) -> None:
    text = joined(shown(run_table(measured, build.make_manifest(ended_by="interrupted", wall_seconds=9.96), 140), 140))
    assert "8 to 16 processes a case" in text or "8 processes a case" in text
    assert "Interrupted after 10.0 s and" in text
    assert "`bench run --resume RUN` goes on with it." in text
    assert "--budget" not in text


def test_too_few_processes_are_said_to_be_too_few(made: Any, build: ModuleType) -> None:
    one, two = made.plan(), made.plan("torch_tensor", "torch-cpu")
    for number in range(5):
        made.process(one, number, step=[1.0])
    for number in range(6):
        made.process(two, number, step=[1.0])
    text = joined(shown(run_table(made.summary(), build.make_manifest(), 140), 140))
    assert "5 to 6 processes a case" in text
    assert "raise --budget or --rounds" in text


def test_a_run_of_skipped_cases_only_still_has_notes(made: Any, build: ModuleType) -> None:
    made.plan("torch_tensor", "torch-cuda", skipped=NO_DRIVER)
    text = joined(shown(run_table(made.summary(), build.make_manifest(), 80), 80))
    assert text.startswith(f"skipped on torch-cuda: torch_tensor: {NO_DRIVER}")


@widths
def test_names_of_40_characters_leave_the_numbers_whole(made: Any, build: ModuleType, width: int) -> None:
    base, mine = made.plan(), made.plan("implementation_with_a_really_long_name01", "torch-cuda")
    for number in range(6):
        made.process(base, number, step=[8.12e-4])
        made.process(mine, number, step=[3.21e-4])
    text = joined(shown(run_table(made.summary(), build.make_manifest(), width), width))
    assert " 812 µs " in text
    assert " 321 µs " in text
    assert " 2.53x" in text


def test_the_summary_as_json_has_null_for_the_unknown(measured: list[SummaryRow]) -> None:
    rows = json.loads(json.dumps(summary_json(measured), allow_nan=False))
    assert len(rows) == len(measured)
    skipped = next(row for row in rows if row["status"] == "skipped")
    assert (skipped["median_seconds"], skipped["method"], skipped["speedup"]) == (None, None, None)
    step = next(row for row in rows if row["phase"] == "step" and row["implementation"] == "torch_custom_function")
    assert step["median_seconds"] == next(
        row.median_seconds for row in measured if row.implementation == "torch_custom_function"
    )
    assert (step["method"], step["status"], step["batch"]) == ("whole", "ok", 64)


# What the gate found


def planned(build: ModuleType, name: str) -> Planned:
    def no_build(*_: object) -> Any:
        raise AssertionError

    implementation = Implementation(name, "torch", WORKLOADS["mlp_sgd"], False, no_build, "file:x", "")
    return Planned(build.make_case(name, "torch-cpu"), implementation)


@pytest.fixture
def replies(build: ModuleType) -> list[tuple[Planned, Reply]]:
    right = Verification(True, "", 3, 1e-4, 1.2e-7, None, 3.4e-6)
    wrong = Verification(False, "gradient of w1 in step 1", 3, 1e-4, 1.2e-7, 0.5, 0.5)
    died = "died: RuntimeError: a[:x:] [/usr/lib] has no [bold] or [red]thing[/red]"
    return [
        (planned(build, "torch_custom_function"), Reply(Status.OK, verification=right)),
        (planned(build, "torch_tensor"), Reply(Status.WRONG, "gradient of w1 in step 1", verification=wrong)),
        (planned(build, "torch_nn"), Reply(Status.FAILED, died)),
    ]


@widths
def test_errors_and_verdicts(replies: list[tuple[Planned, Reply]], width: int) -> None:
    text = joined(shown(verify_table(replies[:2]), width))
    assert " 1.2e-07 - 3.4e-06 1e-04 right" in text
    assert " 1.2e-07 5.0e-01 5.0e-01 1e-04 wrong" in text


@pytest.mark.parametrize("width", [200, 140])
def test_a_reason_is_shown_literally(replies: list[tuple[Planned, Reply]], width: int) -> None:
    text = joined(shown(verify_table(replies), width))
    assert "failed died: RuntimeError: a[:x:] [/usr/lib] has no [bold] or [red]thing[/red]" in text


def test_the_gate_as_json(replies: list[tuple[Planned, Reply]]) -> None:
    rows = json.loads(json.dumps(verify_json(replies), allow_nan=False))
    assert [row["status"] for row in rows] == ["ok", "wrong", "failed"]
    assert rows[0]["verification"]["gradient_error"] is None
    assert rows[1]["verification"]["gradient_error"] == 0.5
    assert rows[2]["verification"] is None


# Several variants in one run, and devices


@pytest.fixture
def several(made: Any, build: ModuleType) -> str:
    """One workload with two numbers of threads and two modes."""
    for threads, base in ((1, 8e-4), (2, 6e-4)):
        made.process(made.plan(threads=threads), step=[base])
        for mode, seconds in ((Mode.RESIDENT_WARM, 2e-4), (Mode.TRANSFERRED_WARM, 3e-4)):
            made.process(made.plan("torch_tensor", "torch-cuda", threads=threads, mode=mode), step=[seconds])
    return shown(run_table(made.summary(), build.make_manifest(), 140), 140)


def test_each_variant_has_a_table_whose_heading_says_what_differs(several: str) -> None:
    headings = [line for line in several.splitlines() if line.startswith("mlp_sgd: ")]
    assert headings == [
        f"mlp_sgd: no bias, SGD, {threads}, {mode}"
        for threads in ("1 CPU thread", "2 CPU threads")
        for mode in ("resident-warm", "transferred-warm")
    ]
    assert several.splitlines()[0].startswith("batch 64, 1000-100-10, float32; Imaginary Processor")


def test_a_table_holds_only_the_cases_of_its_variant(several: str) -> None:
    tables = several.split("mlp_sgd: ")[1:]
    assert ["numpy_manual" in table.split("\n\n")[0] for table in tables] == [True, False, True, False]
    assert " 4.00x" in tables[0]
    assert " 2.67x" in tables[1]
    assert " 3.00x" in tables[2]
    assert " 2.00x" in tables[3]


def test_what_all_cases_share_is_said_once_and_only_where_it_is_unusual(made: Any, build: ModuleType) -> None:
    made.process(made.plan(mode=Mode.RESIDENT_COLD, precision=Precision.TF32), step=[1.0])
    text = shown(run_table(made.summary(), build.make_manifest(), 140), 140)
    first = text.splitlines()[0]
    assert first.startswith("batch 64, 1000-100-10, float32, 2 CPU threads, resident-cold, tf32 precision; ")
    assert "mlp_sgd: no bias, SGD\n" in text


def test_a_device_with_a_clock_has_a_column_and_a_note(made: Any, build: ModuleType) -> None:
    made.process(made.plan(), step=[8e-4])
    phases = {"forward": [1e-4], "backward": [1.1e-4], "update": [1.2e-4]}
    on_device = {"forward": [1e-6], "backward": [2e-6], "update": [3e-6], "step": [3.21e-5]}
    made.process(made.plan("torch_tensor", "torch-cuda"), step=[2e-4], phases=phases, on_device=on_device)
    text = shown(run_table(made.summary(), build.make_manifest(), 140), 140)
    header, cpu, gpu = (
        next(line for line in text.splitlines() if line.startswith(name))
        for name in ("implementation", "numpy_manual", "torch_tensor")
    )
    assert "on device" in header
    assert " 32.1 µs " in gpu
    assert " 100 µs 110 µs 120 µs " in joined(gpu), "phases are by the host's clock, as the step beside them"
    assert " - " in cpu
    assert "on device: what the device was busy for, by its own clock" in text
    assert text.count("torch_tensor") == 1


def test_without_a_device_there_is_neither(measured: list[SummaryRow], build: ModuleType) -> None:
    assert "on device" not in shown(run_table(measured, build.make_manifest(), 140), 140)
    assert "of peak" not in shown(run_table(measured, build.make_manifest(), 140), 140)


def test_the_part_of_the_peak_is_shown_where_there_is_one(made: Any, build: ModuleType) -> None:
    made.process(made.plan(), step=[1e-3])
    rows = made.summary(peaks=[build.make_peak()])
    (row,) = rows
    assert row.peak_fraction == pytest.approx(0.25984)
    text = shown(run_table(rows, build.make_manifest(), 140), 140)
    assert "of peak" in text
    assert next(line for line in text.splitlines() if line.startswith("numpy_manual")).rstrip().endswith(" 26 %")


@pytest.mark.parametrize(("rounds", "words"), [((1,), "1 round was left out"), ((1, 2), "2 rounds were left out")])
def test_throttled_rounds_are_said_to_be_left_out(
    made: Any, build: ModuleType, rounds: tuple[int, ...], words: str
) -> None:
    case = made.plan("torch_tensor", "torch-cuda")
    for number in range(4):
        made.process(case, number, step=[1.0], throttled="thermal" if number in rounds else "")
    assert words in shown(run_table(made.summary(), build.make_manifest(), 140), 140)


def test_the_card_stands_between_tables_and_notes(measured: list[SummaryRow], build: ModuleType) -> None:
    cell = CardCell("mlp_sgd", "torch_tensor", "torch-cuda", "numpy_manual on numpy", "resident-warm", 2, Estimate(7.5))
    text = shown(run_table(measured, build.make_manifest(), 140, card=[cell]), 140)
    assert text.index("mlp_dynamic:") < text.index("Speedup card") < text.index("7.50x") < text.index("skipped on")
    assert "Speedup card" not in shown(run_table(measured, build.make_manifest(), 140), 140)
