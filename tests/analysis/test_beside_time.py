"""What the summary says of a case beside its times: memory, energy, errors."""

from __future__ import annotations

from typing import Any

from bench.data.schema import SummaryRow


def steps(rows: list[SummaryRow]) -> dict[str, SummaryRow]:
    """The rows of whole steps, by their backend."""
    return {row.case.backend: row for row in rows if row.phase == "step"}


def test_the_largest_peak_memory_is_given_and_an_unknown_one_stays_unknown(made: Any) -> None:
    known, unknown = made.plan(), made.plan("torch_tensor", "torch-cpu")
    for number, peak in enumerate([1000, 3000, None]):
        made.process(known, number, step=[1.0], peak_bytes=peak)
    made.process(unknown, 0, step=[1.0], peak_bytes=None)
    rows = made.summary()
    assert steps(rows)["numpy"].peak_bytes == 3000
    assert steps(rows)["torch-cpu"].peak_bytes is None


def test_the_memory_of_steps_is_the_largest_of_the_processes_and_a_phase_has_its_own(made: Any) -> None:
    known, unknown = made.plan(), made.plan("torch_tensor", "torch-cpu")
    phases = {"forward": [1.0], "backward": [1.0], "update": [1.0]}
    for number, (step, peaks) in enumerate([(300, "forward=5 backward=9"), (200, "forward=7 backward=8"), (None, "")]):
        memory = {"framework_bytes": 10 * step if step else None, "step_peak_bytes": step, "phase_peaks": peaks}
        made.process(known, number, step=[3.0], phases=phases, first=9.0, reserved_bytes=step, **memory)
    made.process(unknown, 0, step=[3.0])
    every = made.summary()
    rows = [row for row in every if row.case == known]
    found = {row.phase: row.step_peak_bytes for row in rows}
    assert found == {"step": 300, "first_step": None, "forward": 7, "backward": 9, "update": None}
    assert {(row.framework_bytes, row.reserved_bytes) for row in rows} == {(3000, 300)}
    row = steps(every)["torch-cpu"]
    assert (row.framework_bytes, row.step_peak_bytes, row.reserved_bytes) == (None, None, None)


def test_energy_is_the_median_over_processes_and_unknown_where_nothing_counts_it(made: Any) -> None:
    gpu, cpu = made.plan("torch_tensor", "torch-cuda"), made.plan("torch_tensor", "torch-cpu")
    for number, joules in enumerate([0.5, 0.1, None, 0.3]):
        made.process(gpu, number, step=[1.0], energy_joules=joules)
        made.process(cpu, number, step=[1.0])
    rows = made.summary()
    assert steps(rows)["torch-cuda"].energy_joules == 0.3
    assert steps(rows)["torch-cpu"].energy_joules is None


def test_the_error_is_the_largest_of_any_process_and_kind(made: Any) -> None:
    case, other = made.plan(), made.plan("torch_tensor", "torch-cpu")
    made.process(case, 0, step=[1.0], loss_error=1e-7, gradient_error=3e-6, change_error=2e-6)
    made.process(case, 1, step=[1.0], loss_error=5e-6, gradient_error=1e-6)
    made.process(other, 0, step=[1.0])
    rows = made.summary()
    assert (steps(rows)["numpy"].error, steps(rows)["torch-cpu"].error) == (5e-6, None)
