"""What contenders are called and look like, the same in every figure of a run."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from bench.data.schema import Status
from bench.errors import UsageError
from bench.output.figures import Look, RunData, Width
from bench.output.figures._cast import Cast, Choice, distinct
from bench.output.figures._look import clipped, text_inches

ALIKE = [f"jit_compiled_graph_{each}_on_kernel_version_two" for each in ("alpha", "bravo", "delta")]
letters = st.text("abcdef_", min_size=1, max_size=50)


def stands_for(label: str, names: list[str]) -> list[str]:
    """The names that a reader may take a label for."""
    pattern = ".*".join(map(re.escape, label.split("…")))
    return [name for name in names if re.fullmatch(pattern, name)]


# Names


def test_names_that_share_their_ends_are_cut_in_what_they_share() -> None:
    room = text_inches("jit_compiled_graph", 9.0)
    labels = [distinct(name, ALIKE, room, 9.0) for name in ALIKE]
    assert [stands_for(label, ALIKE) for label in labels] == [[name] for name in ALIKE]
    assert all(text_inches(label, 9.0) <= room and label.startswith("j") and label.endswith("o") for label in labels)
    assert [any(word in label for word in ("alp", "bra", "del")) for label in labels] == [True] * 3
    assert [len(stands_for(clipped(name, room, 9.0), ALIKE)) for name in ALIKE] == [3] * 3  # as any text is cut


@given(st.lists(letters, min_size=1, max_size=6, unique=True), st.floats(0.6, 3.0))
def test_a_cut_name_fits_keeps_its_ends_and_whole_names_stay(names: list[str], inches: float) -> None:
    for name in names:
        label = distinct(name, names, inches, 9.0)
        if text_inches(name, 9.0) <= inches:
            assert label == name
        else:
            assert label.count("…") <= len(names) + 1
            assert label[0] == name[0]
            assert name in stands_for(label, names)


def test_names_that_differ_in_several_places_stay_distinct() -> None:
    names = [f"model_{one}_with_a_long_middle_{two}_and_more" for one in ("red", "blue") for two in ("cold", "warm")]
    labels = [distinct(name, names, text_inches("model_red_with_a_long", 9.0), 9.0) for name in names]
    assert [stands_for(label, names) for label in labels] == [[name] for name in names]


FIGURES = ("speedup", "phases", "sync_tax", "heatmap", "speedup_size", "time_size", "roofline")


@pytest.mark.parametrize("width", Width)
@pytest.mark.parametrize("name", FIGURES)
def test_no_label_of_a_figure_may_stand_for_two_implementations(
    swept: Any, drawn: Any, name: str, width: Width
) -> None:
    swept.sizes = [16, 1024]
    swept.contenders(ALIKE)
    for row in swept.rows:  # what the bars of sync_tax and phases need
        row.__dict__.update(sync_tax=0.1, sync_tax_low=0.05, sync_tax_high=0.2)
    drawing = drawn(name, swept, Look(width))
    words = [text.get_text() for axis in drawing.axes for text in (*axis.get_yticklabels(), *axis.texts)]
    words += [*(drawing.keys if drawing.figure.legends else ()), *drawing.notes()]
    cut = {word.split(" ")[0] for word in words if "…" in word.split(" ")[0]}
    assert all(len(stands_for(word, ALIKE)) <= 1 for word in cut)
    labels = {word.split(" ")[0] for word in words}
    assert all(any(stands_for(label, ALIKE) == [name] for label in labels) for name in ALIKE)


# Colours


def colour_of(drawing: Any, name: str) -> str:
    """The colour of an implementation in a figure: of its bar, its row of the ecdf, or its key."""
    for axis in drawing.axes:
        ticks = drawing.ticks("y", axis)
        if name in ticks:
            bars = [bar for bar in axis.patches if abs(bar.get_y() + bar.get_height() / 2 - ticks[name]) < 0.01]
            rows = [line for line in axis.lines if set(line.get_ydata()) == {ticks[name]}]
            return to_hex(bars[0].get_facecolor() if bars else rows[0].get_color())
    (key,) = (key for label, key in drawing.keys.items() if label.split(" ")[0] == name)
    return to_hex(key.get_color())


def test_a_contender_has_one_colour_in_all_figures_of_a_run(sampled: Any, drawn: Any) -> None:
    names = {"numpy_manual": "numpy", "torch_tensor": "torch-cpu", "torch_nn": "torch-cpu", "other": "tf-graph"}
    for size in (16, 64):
        for rank, (name, backend) in enumerate(names.items()):
            row = {"step_peak_bytes": 5 << 20}
            problem = sampled.build.tutorial(batch=size)
            sampled.add(name, backend, problem=problem, seconds=(4 - rank) * 1e-4, row=lambda number, row=row: row)
    sampled.manifest = {"peaks": [sampled.build.make_peak()]}
    folder = sampled.write()
    figures = ("speedup", "sync_tax", "memory", "ecdf", "speedup_size", "time_size", "roofline")
    found: dict[str, set[str]] = {name: set() for name in names}
    for figure in figures:
        drawing = drawn(figure, folder)
        for name in names:
            if name != "numpy_manual" or figure not in ("speedup", "speedup_size"):  # where it is 1x
                found[name].add(colour_of(drawing, name))
    assert all(len(colours) == 1 for colours in found.values()), found
    assert len(set.union(*found.values())) == len(names)


def test_colours_stay_when_others_are_left_out_moved_or_another_baseline_is_taken(measured: Any) -> None:
    measured.contenders(["torch_tensor", "torch_nn", "torch_autograd"])
    folder = measured.write()
    plain = RunData(folder).cast.numbers
    assert plain == {
        ("numpy_manual", "numpy"): None,
        ("torch_tensor", "torch-cpu"): 0,
        ("torch_nn", "torch-cpu"): 1,
        ("torch_autograd", "torch-cpu"): 2,
    }
    for choice in (Choice(only=("torch_nn",)), Choice(order=("torch_nn",)), Choice(renamed={"torch_nn": "ours"})):
        assert RunData(folder, choice=choice).cast.numbers == plain


def test_what_was_not_measured_takes_no_colour_from_what_was(measured: Any) -> None:
    measured.contenders(["torch_tensor"])
    case = measured.build.make_case("a_first_one", "torch-cuda")
    broken = measured.build.summary_row(case, method=None, clock=None, status=Status.SKIPPED, reason="no CUDA")
    measured.rows.insert(0, broken)
    assert RunData(measured.write()).cast.numbers["torch_tensor", "torch-cpu"] == 0


# What an author chooses


def test_only_order_and_rename_choose_what_is_shown_and_how_it_is_called(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor", "torch_nn", "torch_autograd"])
    folder = measured.write()
    choice = Choice(("torch_tensor", "torch_nn"), ("torch_tensor",), {"torch_nn": "ours, fused"})
    data = RunData(folder, choice=choice)
    drawing = drawn("speedup", data)
    assert list(drawing.ticks("y")) == ["torch_tensor", "ours, fused"]  # without --order the fastest stands first
    assert "Not shown: 2 implementations left out by --only." in drawing.words
    assert data.options == [
        "--only",
        "torch_tensor,torch_nn",
        "--order",
        "torch_tensor",
        "--rename",
        "torch_nn=ours, fused",
    ]
    assert list(drawn("speedup", folder).ticks("y")) == ["torch_autograd", "torch_nn", "torch_tensor"]


def test_a_baseline_is_renamed_where_speedups_are_over_it(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor"])
    drawing = drawn("speedup", RunData(measured.write(), choice=Choice(renamed={"numpy_manual": "NumPy"})))
    assert drawing.titles == ["mlp_sgd: 1x is NumPy at 400 µs a step"]
    assert drawing.axis.get_xlabel().startswith("speedup over NumPy (log scale)")
    cast = Cast({}, {"numpy_manual": "NumPy"})
    assert [cast.over(text) for text in ("numpy_manual@numpy", "numpy_manual,threads=1", "other")] == [
        "NumPy@numpy",
        "NumPy,threads=1",
        "other",
    ]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(only=("torch_tensr",)), "--only names 'torch_tensr', .* did you mean 'torch_tensor'"),
        (Choice(order=("x",)), "--order names 'x'"),
        (Choice(renamed={"x": "y"}), "--rename names 'x'"),
        (Choice(renamed={"torch_tensor": "torch_nn"}), "--rename torch_tensor=torch_nn: another implementation"),
    ],
)
def test_a_choice_that_does_not_fit_the_run_is_refused(measured: Any, choice: Choice, message: str) -> None:
    measured.contenders(["torch_tensor", "torch_nn"])
    with pytest.raises(UsageError, match=message):
        RunData(measured.write(), choice=choice)


# What a figure leaves out


def planned(made: Any, name: str, status: Status, backend: str = "torch-cpu", workload: str = "mlp_sgd") -> None:
    case = made.build.make_case(name, backend, workload)
    made.rows.append(made.build.summary_row(case, method=None, clock=None, status=status, reason="for a reason"))


@pytest.mark.parametrize("name", ["speedup", "phases", "sync_tax"])
def test_a_figure_counts_and_names_what_it_does_not_show(measured: Any, drawn: Any, name: str) -> None:
    measured.contenders(["torch_tensor"])
    planned(measured, "off", Status.WRONG)
    planned(measured, "slow", Status.TIMEOUT)
    for number in range(7):
        planned(measured, f"gpu_{number}", Status.SKIPPED, "torch-cuda")
    words = (
        "Not shown: 1 case wrong on torch-cpu (off); 1 case timed out on torch-cpu (slow); "
        "7 cases skipped on torch-cuda (gpu_0, gpu_1, gpu_2, gpu_3, gpu_4 and 2 more)."
    )
    assert words in drawn(name, measured).words


def test_cases_without_what_a_figure_shows_are_named_too(measured: Any, drawn: Any) -> None:
    measured.contenders(["torch_tensor"])
    measured.add("alone", "torch-cpu", "mlp_bias_sgd")
    folder = measured.write()
    assert "Not shown: 1 case without a speedup on torch-cpu (alone)." in drawn("speedup", folder).words
    assert "Not shown" not in drawn("phases", folder).words


@pytest.mark.parametrize("name", ["speedup_size", "time_size", "heatmap", "roofline", "speedup"])
def test_a_case_that_is_missing_at_one_size_is_named_with_it(swept: Any, drawn: Any, name: str) -> None:
    swept.contenders(["torch_nn"])
    swept.line("torch_tensor", broken={256: (Status.WRONG, "its gradient is off")})
    told = "Not shown: 1 case wrong on torch-cpu (torch_tensor, batch 256)." in drawn(name, swept).words
    assert told is not (name == "heatmap")  # whose cell says it
