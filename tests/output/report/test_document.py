"""What a report says, before any format: numbers, sentences, warnings, reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.data.manifest import WorkloadFacts
from bench.data.store import read_crossovers
from bench.model.case import Mode
from bench.model.precision import Precision
from bench.output.document import Bullets, Commands, FigureBlock, Glossary, Table, plain
from bench.workloads import SIZES, tutorial

Document = Callable[..., Any]


def tables(document: Any) -> dict[str, Table]:
    blocks = [block for section in document.sections for block in section.blocks]
    found = [block.table if isinstance(block, FigureBlock) else block for block in blocks]
    return {table.name: table for table in found if isinstance(table, Table)}


def section(document: Any, anchor: str) -> Any:
    return next(item for item in document.sections if item.anchor == anchor)


def texts(document: Any, anchor: str) -> str:
    """All words of a section that stand in no table."""
    found = []
    for block in section(document, anchor).blocks:
        if isinstance(block, tuple):
            found.append(plain(block))
        elif isinstance(block, Bullets):
            found += map(plain, block.items)
        elif isinstance(block, Glossary):
            found += [f"{name}: {plain(words)}" for name, words in block.items]
        elif isinstance(block, Commands):
            found += block.lines
        elif isinstance(block, FigureBlock):
            found += [block.alt, plain(block.caption), plain(block.reading)]
    return "\n".join(found)


def cells(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def sourced(document: Any) -> Iterator[tuple[Any, Any]]:
    """Cells that name the columns of summary.csv which they show, with their row."""
    for table in tables(document).values():
        for row in table.rows:
            yield from ((row, cell) for cell in row.cells if cell.source and row.key)


def test_every_number_of_a_case_is_that_of_the_file(sample: Path, document: Document, in_file: Any) -> None:
    made = document(sample)
    found = list(sourced(made))
    assert len(found) > 200
    for row, cell in found:
        assert list(cell.raw) == in_file(sample, row.key, cell.source), (row.key, cell)


def test_the_tables_hold_every_measured_case_of_every_workload(sample: Path, document: Document) -> None:
    found = tables(document(sample))
    names = [[row.cells[0].text for row in found[f"result-{name}"].rows] for name in ("mlp-sgd", "mlp-dynamic")]
    assert names[0] == ["numpy_manual", "tf_static_graph", "torch_autograd", "torch_custom_function", "torch_tensor"]
    assert names[1] == ["numpy_dynamic", "torch_dynamic"]
    assert cells(found["variants-mlp-dynamic"])[0] == ["numpy_dynamic", "numpy", "444 µs", "592 µs", "695 µs", "799 µs"]
    first = cells(found["result-mlp-sgd"])[1]
    assert first[:6] == ["tf_static_graph", "tf-graph", "0.881x", "0.827 … 0.906", "415 µs", "413 … 445 µs"]
    assert first[6:] == ["~45 %", "~48 %", "~7 %", "-", "61 %", "154000"]


def test_variants_are_groups_of_their_own(run: Any, measure: Any, finished: Any, document: Document) -> None:
    for hidden in (50, 100):
        measure(run, run.plan(problem=tutorial(hidden=hidden)), 1e-3)
    table = tables(document(finished(run)))["result-mlp-sgd"]
    assert [(group.title, len(group.rows)) for group in table.groups] == [("hidden 50", 1), ("hidden 100", 1)]


def pair(run: Any, measure: Any, ratio: float, rounds: int = 7, spread: float = 0.01) -> None:
    measure(run, run.plan(), 1e-3, rounds=rounds)
    measure(run, run.plan("torch_tensor", "torch-cpu"), 1e-3 / ratio, rounds=rounds, spread=spread)


@pytest.mark.parametrize(
    ("ratio", "spread", "said"),
    [
        (2.0, 0.01, "torch_tensor on torch-cpu is 2.00x as fast as numpy_manual (95 % interval"),
        (0.5, 0.01, "No implementation is faster than its baseline here: torch_tensor on torch-cpu comes closest"),
        (1.0, 0.30, "No implementation is shown to be faster than its baseline: torch_tensor on torch-cpu leads"),
    ],
)
def test_the_answer(
    run: Any, measure: Any, finished: Any, document: Document, ratio: float, spread: float, said: str
) -> None:
    pair(run, measure, ratio, spread=spread)
    made = document(finished(run))
    assert plain(made.answer).startswith(said)
    assert plain(made.answer).endswith("in mlp_sgd.")


def test_the_baseline_is_the_one_that_the_rows_name(build: ModuleType, tmp_path: Path, document: Document) -> None:
    rows = [
        build.summary_row(build.make_case(name), median_seconds=1e-3, baseline="my_loop", speedup=speedup, **more)
        for name, speedup, more in (
            ("my_loop", 1.0, {}),
            ("torch_nn", 2.0, {"speedup_low": 1.9, "speedup_high": 2.1}),
            ("torch_lonely", None, {}),
        )
    ]
    made = document(build.write_summary_run(tmp_path / "run", rows), ())
    assert "as fast as my_loop" in plain(made.answer)
    assert "the time of my_loop over this one" in texts(made, "result")
    assert "add `--implementation my_loop`" in texts(made, "result")
    assert [row[2] for row in cells(tables(made)["result-mlp-sgd"])] == ["baseline", "2.00x", "-"]


@pytest.mark.parametrize(
    ("backend", "precision", "cure"),
    [("torch-cpu", "tf32", "--precision full,tf32"), ("torch-cuda", "full", "--baseline torch_nn")],
)
def test_a_baseline_that_was_measured_otherwise_is_cured_by_what_is_lacking(
    build: ModuleType, tmp_path: Path, document: Document, backend: str, precision: str, cure: str
) -> None:
    rows = [
        build.summary_row(build.make_case(name, backend, precision=Precision(precision)), median_seconds=1e-3)
        for name in ("torch_nn", "torch_tensor")
    ]
    facts = {"mlp_sgd": WorkloadFacts(title="", baseline="torch_nn", sizes=list(SIZES))}
    made = document(build.write_summary_run(tmp_path / "run", rows, workloads=facts), ())
    assert f"add `{cure}`" in texts(made, "result")


def test_a_sure_speedup_comes_before_a_larger_doubtful_one(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    pair(run, measure, 1.5)
    measure(run, run.plan("torch_nn", "torch-cpu"), 0.65e-3, spread=0.95)
    words = plain(document(finished(run)).answer)
    assert words.startswith("torch_tensor on torch-cpu is 1.50x")
    assert words.endswith("the largest speedup that is certain, in mlp_sgd.")


def test_an_answer_without_interval_is_a_hint_and_warned_of(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    pair(run, measure, 3.0, rounds=3)
    made = document(finished(run, ended_by="rounds", rounds=3))
    assert "too few processes for an interval: take it as a hint" in plain(made.answer)
    (words,) = made.warnings
    assert "it takes 6 processes, and the case with the fewest had 3" in plain(words)


def test_an_answer_without_a_baseline_names_the_fastest_step(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    measure(run, run.plan("torch_tensor", "torch-cpu"), 1e-3)
    measure(run, run.plan("torch_autograd", "torch-cpu"), 2e-3)
    made = document(finished(run), ())
    assert "the fastest step is that of torch_tensor on torch-cpu with 1.00 ms" in plain(made.answer)
    assert "their baseline was not measured; add `--implementation numpy_manual`" in texts(made, "result")


def test_a_budget_that_ended_the_run_is_warned_of_with_numbers(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    pair(run, measure, 2.0, spread=0.2)
    (words,) = document(finished(run, ended_by="budget")).warnings
    assert plain(words).startswith("The time budget ended the run before every speedup")
    assert "within ± 2.0 %: 1 of 1 are wider, the widest ± " in plain(words)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"ended_by": "budget", "within": 0.1}, ""),
        ({"ended_by": "precision"}, ""),
        ({"ended_by": "budget", "rounds": 9}, "The time budget ended the run after 0 of 9 rounds."),
        ({"ended_by": "interrupted"}, "The run did not come to its end. Interrupted after"),
    ],
)
def test_an_end_is_warned_of_where_something_is_missing(
    run: Any, measure: Any, finished: Any, document: Document, manifest: dict[str, Any], said: str
) -> None:
    pair(run, measure, 2.0, spread=0.0)
    warnings = document(finished(run, rounds_done=0, **manifest)).warnings
    assert "".join(map(plain, warnings)).startswith(said)
    assert len(warnings) == bool(said)


def test_flags_are_counted_and_most_of_them_is_a_warning(
    build: ModuleType, run: Any, measure: Any, finished: Any, document: Document
) -> None:
    pair(run, measure, 2.0, spread=0.0)
    run.samples = [
        dataclasses.replace(row, flags="preempted pressure" if row.phase == "step" else "stolen") for row in run.samples
    ]
    made = document(finished(run, ended_by="precision"))
    assert "Most samples were disturbed (70 of 70)" in plain(made.warnings[0])
    rows = {row.cells[0].text: row.cells[1].raw for row in tables(made)["flags"].rows}
    assert rows == {"preempted": (70,), "pressure": (70,), "stolen": (126,)}


def test_throttled_rounds_and_unsettled_warm_ups_are_told(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    pair(run, measure, 2.0)
    measure(run, run.plan("torch_nn", "torch-cpu"), 1e-3, throttled="thermal", warmup_settled=False, rounds=2)
    made = document(finished(run))
    assert "A device was throttled (thermal) in rounds 0, 1." in texts(made, "machine")
    assert "The warm-up became steady in 0 of 2 processes." in texts(made, "machine")


def test_what_was_not_measured_stands_by_reason(run: Any, measure: Any, finished: Any, document: Document) -> None:
    pair(run, measure, 2.0)
    for name in ("torch_nn", "torch_module"):
        run.plan(name, "torch-cuda", "mlp_bias_sgd", skipped="no CUDA device")
    run.process(
        run.plan("torch_optim", "torch-cpu", "mlp_bias_adam"), status="wrong", reason="off by 1", verified=False
    )
    made = document(finished(run))
    told = texts(made, "machine").splitlines()
    assert "wrong: torch_optim on torch-cpu: off by 1" in told
    assert "skipped on torch-cuda: torch_nn, torch_module: no CUDA device" in told


def sweep(run: Any, measure: Any) -> None:
    """NumPy is overtaken at about hidden 100 by one and never by another; a third cannot be told from it."""
    for hidden in (25, 50, 100, 200, 400):
        problem = tutorial(hidden=hidden)
        measure(run, run.plan(problem=problem), 1e-5 * hidden)
        measure(run, run.plan("torch_tensor", "torch-cpu", problem=problem), 0.49e-3 + 0.5e-5 * hidden)
        measure(run, run.plan("tf_static_graph", "tf-graph", problem=problem), 2e-3 + 2e-5 * hidden)
        run.plan("torch_tensor", "torch-cuda", problem=problem, skipped="no CUDA device")


def test_crossovers_are_told_in_words_and_as_a_table(run: Any, measure: Any, finished: Any, document: Document) -> None:
    sweep(run, measure)
    folder = finished(run, axes={"size.hidden": [25, 50, 100, 200, 400]})
    made = document(folder)
    assert "mlp_sgd: torch_tensor overtakes numpy_manual at hidden " in texts(made, "crossovers")
    rows = tables(made)["crossovers"].rows
    sizes = {row.cells[1].text: row.cells[2] for row in rows}
    assert [cell.text for cell in rows[1].cells[2:4]] == ["-", "-"]
    assert list(sizes) == [
        "torch_tensor overtakes numpy_manual",
        "numpy_manual is faster than tf_static_graph at every size",
        "torch_tensor is faster than tf_static_graph at every size",
    ]
    found = read_crossovers(folder)["size"].dropna()
    assert sizes["torch_tensor overtakes numpy_manual"].raw == tuple(found)


def test_a_sweeps_answer_is_followed_by_figures_then_crossovers_then_tables(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    sweep(run, measure)
    made = document(finished(run, axes={"size.hidden": [25, 50, 100, 200, 400]}), ("speedup_size",))
    assert [item.anchor for item in made.sections][:5] == ["figures", "crossovers", "result", "cases", "more-figures"]
    assert [row[:3] for row in cells(tables(made)["sizes-1"])] == [
        ["numpy_manual", "numpy", "250 µs"],
        ["torch_tensor", "torch-cpu", "0.407x"],
        ["tf_static_graph", "tf-graph", "0.100x"],
    ]
    assert [head.name for head in tables(made)["sizes-1"].heads[2:]] == ["25", "50", "100", "200", "400"]
    within = [block for block in section(made, "cases").blocks if isinstance(block, Table)]
    assert [table.name for table in within] == ["result-mlp-sgd", "crossovers"]


def test_a_gpu_has_its_name_in_the_facts_and_its_speedups_on_a_card(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    for threads in (1, 2):
        measure(run, run.plan(threads=threads), 1e-3)
        measure(run, run.plan("torch_tensor", "torch-cuda", threads=threads), 2e-4)
        measure(run, run.plan("torch_tensor", "torch-cuda", threads=threads, mode=Mode.TRANSFERRED_WARM), 4e-4)
    run.processes = [dataclasses.replace(row, device_name=f"Imaginary {row.case.device}") for row in run.processes]
    made = document(finished(run))
    assert (
        dict(made.facts)["Machine"] == "Imaginary Processor 3000 @ 2.80GHz, 2 CPUs, 7.45 GiB, Imaginary cuda, Linux 6.1"
    )
    card = tables(made)["card"]
    assert [head.name for head in card.heads[3:]] == ["1 CPU thread", "2 CPU threads"]
    assert cells(card)[0][:3] == ["torch_tensor on torch-cuda", "numpy_manual on numpy", "resident-warm"]


def test_methods_say_what_the_manifest_says(sample: Path, document: Document) -> None:
    words = texts(document(sample), "methods")
    for fact in (
        "AMD EPYC, 2 CPUs, 23.5 GiB, Linux 6.18.44-fc-v657",
        "Python 3.11.7, numpy 2.4.6, threadpoolctl 3.8.0, tensorflow 2.21.0, torch 2.13.0+cpu, stepbench 0.1.0",
        "65fcbe4d434f530526fd82247db5cb81a09eb025",
        "openblas 0.3.31.188.0",
        "batch 64, d-in 1000, hidden 100, d-out 10, float32, 1 CPU thread",
        "seed 0",
        "27 rounds",
        "224 processes took 6,139 samples",
        "at most 1e-4 in float32",
        "bench run --threads 1 --out sample",
        "The frequency governor is not known",
    ):
        assert fact in words, fact


def test_methods_invent_nothing(run: Any, measure: Any, finished: Any, document: Document) -> None:
    pair(run, measure, 2.0)
    words = texts(document(finished(run, machine={"cpu": None, "python": None}, packages={})), "methods")
    assert "Hardware. unknown." in words
    assert "Python of unknown version, no framework of known version" in words
    assert "git revision is not known" in words
    assert "BLAS of NumPy is not known" in words
    assert "None" not in words


def test_methods_tell_of_changes_that_no_revision_holds(
    run: Any, measure: Any, finished: Any, document: Document
) -> None:
    pair(run, measure, 2.0)
    words = texts(document(finished(run, git_revision="abc-dirty", rounds=8, ended_by="rounds")), "methods")
    assert "Git revision `abc` with uncommitted changes." in words
    assert "The number of rounds was fixed beforehand: 8." in words


def test_a_figure_has_words_for_readers_who_cannot_see_it(sample: Path, document: Document) -> None:
    made = document(sample)
    first = next(block for block in section(made, "figures").blocks if isinstance(block, FigureBlock))
    assert first.alt == (
        "Speedup of one training step over its baseline: 8 cases; smallest speedup 0.551x: torch_module on "
        "torch-cpu in mlp_bias_sgd; largest speedup 0.881x: tf_static_graph on tf-graph in mlp_sgd."
    )
    assert "right is faster" in plain(first.reading)
    assert "`heatmap`: it has one size only: measure several with `bench sweep`." in texts(made, "more-figures")


def test_every_figure_says_how_to_read_it() -> None:
    from bench.output import figures
    from bench.output.content.cases import SHOWN

    for name in figures.names():
        about = figures.about(name)
        assert about.reading.endswith("."), name
        assert about.shows, name
        assert set(about.shows) <= set(SHOWN), name


def test_the_history_has_a_row_a_run(
    build: ModuleType, tmp_path: Path, measure: Any, finished: Any, document: Document
) -> None:
    for number, seconds in enumerate((1e-3, 2e-3, 3e-3)):
        run = build.HandMade(tmp_path / f"run{number}")
        measure(run, run.plan(), seconds)
        finished(run, run_id=f"run{number}", created=f"2026-01-0{number + 1}T00:00:00+00:00")
    table = tables(document(tmp_path / "run2", ("history",)))["figure-history"]
    assert [row[:4] for row in cells(table)] == [
        ["2026-01-01 00:00", "run0", "no revision", "1.00 ms"],
        ["2026-01-02 00:00", "run1", "no revision", "2.00 ms"],
        ["2026-01-03 00:00", "run2", "no revision", "3.00 ms"],
    ]
    assert table.groups[0].title == "numpy_manual on numpy, mlp_sgd"


def test_names_of_tables_and_anchors_are_unique(sample: Path, document: Document) -> None:
    made = document(sample, ("speedup", "phases", "ecdf", "samples"))
    names = [table.name for table in tables(made).values()]
    anchors = [item.anchor for item in made.sections]
    blocks = [block for item in made.sections for block in item.blocks]
    assert len(names) == sum(isinstance(block, Table | FigureBlock) for block in blocks)
    assert len(set(names)) == len(names) > 10
    assert len(set(anchors)) == len(anchors) == 7
