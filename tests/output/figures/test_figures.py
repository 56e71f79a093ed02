from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.data.schema import Method, Status
from bench.errors import DataFormatError, StorageError, UsageError
from bench.output import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG = b"\x89PNG\r\n\x1a\n"
LONG = [f"implementation_with_a_really_long_name{index:02}" for index in range(20)]


@pytest.fixture
def run(measured: Any) -> Path:
    """A run with a profiled case."""
    measured.contenders(["torch_tensor"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    folder: Path = measured.write()
    return folder


@pytest.fixture(scope="module")
def gallery(new_measured: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which all figures are drawn in all formats."""
    measured = new_measured(tmp_path_factory.mktemp("gallery") / "run")
    measured.contenders(["torch_tensor"])
    measured.contenders(["torch_optim"], "mlp_bias_adam")
    folder: Path = measured.write()
    figures.draw(folder, (), figures.FORMATS)
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_figures_are_found() -> None:
    assert set(figures.names()) == {"speedup", "phases"}


def test_a_module_that_is_put_into_the_package_is_a_figure(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "blank.py").write_text(
        "from matplotlib.figure import Figure\nTITLE = 'Nothing'\ndef draw(run):\n    return Figure()\n"
    )
    (folder / "_hidden.py").write_text("")
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(folder)])
    try:
        assert set(figures.names()) == {"speedup", "phases", "blank"}
        (path,) = figures.draw(run, ["blank"], ["png"])
    finally:
        sys.modules.pop("bench.output.figures.blank", None)
        if hasattr(figures, "blank"):
            del figures.blank
    assert path.read_bytes().startswith(PNG)


def test_all_figures_are_drawn_into_the_runs_own_folder(run: Path) -> None:
    before = files(run)
    written = figures.draw(run)
    assert [path.relative_to(run).as_posix() for path in written] == [
        f"figures/{name}.{kind}" for name in figures.names() for kind in ("png", "svg")
    ]
    assert files(run) - before == {path.relative_to(run).as_posix() for path in written}


def test_files_are_what_their_names_say(gallery: Path) -> None:
    starts = {".png": PNG, ".svg": b"<?xml", ".pdf": b"%PDF-"}
    found = sorted((gallery / "figures").iterdir())
    assert len(found) == 6
    for path in found:
        assert path.read_bytes().startswith(starts[path.suffix])


def test_only_the_figure_and_format_asked_for_are_drawn(run: Path) -> None:
    before = files(run)
    assert figures.draw(run, ["phases"], ["svg"]) == [run / "figures" / "phases.svg"]
    assert files(run) - before == {"figures/phases.svg"}


def test_an_unknown_figure_suggests_the_nearest_and_draws_nothing(run: Path) -> None:
    before = files(run)
    with pytest.raises(UsageError, match=r"'speedups'.*'speedup'"):
        figures.draw(run, ["phases", "speedups"])
    assert files(run) == before


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.WRONG])
def test_a_run_in_which_nothing_was_measured_is_refused(measured: Any, status: Status) -> None:
    measured.rows = [
        measured.build.summary_row(status=status, reason="because", verified=False, method=None, clock=None)
    ]
    folder = measured.write()
    with pytest.raises(DataFormatError, match=f"{re.escape(str(folder))} has no case that was measured"):
        figures.draw(folder)
    assert not (folder / "figures").exists()


@pytest.mark.parametrize("name", ["summary.csv", "manifest.json"])
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(DataFormatError, match=re.escape(name)):
        figures.draw(run)


def test_a_file_where_the_figures_belong_is_a_storage_error(run: Path) -> None:
    (run / "figures").write_text("notes")
    with pytest.raises(StorageError, match="cannot be written"):
        figures.draw(run, ["speedup"], ["png"])
    assert (run / "figures").read_text() == "notes"


def test_drawing_again_gives_the_same_bytes(gallery: Path) -> None:
    once = {path.name: path.read_bytes() for path in (gallery / "figures").glob("phases.*")}
    again = {path.name: path.read_bytes() for path in figures.draw(gallery, ["phases"], figures.FORMATS)}
    assert len(once) == 3
    assert [name for name in once if once[name] != again[name]] == []


def test_a_files_bytes_do_not_depend_on_what_else_is_drawn(gallery: Path) -> None:
    together = {path.name: path.read_bytes() for path in (gallery / "figures").glob("speedup.*")}
    alone = {
        path.name: path.read_bytes()
        for kind in reversed(figures.FORMATS)
        for path in figures.draw(gallery, ["speedup"], [kind])
    }
    assert len(together) == 3
    assert [name for name in together if together[name] != alone[name]] == []


def test_a_pdf_embeds_its_fonts_as_truetype(gallery: Path) -> None:
    for path in (gallery / "figures").glob("*.pdf"):
        content = path.read_bytes()
        assert b"/CIDFontType2" in content  # fonts are described outside the compressed streams
        assert b"/Type3" not in content


def test_an_svg_has_text_that_can_be_selected(gallery: Path) -> None:
    for path in (gallery / "figures").glob("*.svg"):
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))
        assert {"torch_tensor", "torch_optim"} <= set(texts)
        assert any("20260102-030405-6" in text for text in texts)


def test_files_carry_the_run_and_no_date(gallery: Path) -> None:
    for path in (gallery / "figures").iterdir():
        content = path.read_bytes()
        assert b"20260102-030405-6" in content
        assert b"CreationDate" not in content
        assert b"dc:date" not in content


def test_drawing_leaves_matplotlibs_settings_as_they_were(run: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 13.0, "svg.fonttype": "path"}):
        figures.draw(run, ["phases"], ["svg"])
        assert (mpl.rcParams["font.size"], mpl.rcParams["svg.fonttype"]) == (13.0, "path")


both = pytest.mark.parametrize("name", ["speedup", "phases"])


@both
def test_the_footer_says_where_the_numbers_are_from(
    measured: Any, drawn: Callable[[str, Any], Figure], name: str
) -> None:
    measured.contenders(["torch_tensor"])
    footer = " ".join(drawn(name, measured).get_supxlabel().split())
    for part in (measured.build.CPU, "2 CPUs", "Python 3.12.1", "torch 2.13.0+cpu", f"run {measured.build.RUN_ID}"):
        assert part in footer


@both
def test_the_subtitle_gives_sizes_format_and_threads(
    measured: Any, drawn: Callable[[str, Any], Figure], name: str
) -> None:
    measured.contenders(["torch_tensor"])
    texts = [text.get_text() for text in drawn(name, measured).texts]
    assert any(text.startswith("batch 64, 1000-100-10, float32, 2 CPU threads;") for text in texts)


@both
@pytest.mark.parametrize("names", [["torch_nn"], LONG[:1], LONG[:9], LONG], ids=["1", "1 long", "9 long", "20 long"])
def test_no_text_meets_another_or_the_edge(
    measured: Any,
    drawn: Callable[[str, Any], Figure],
    layout_problems: Callable[[Figure], list[str]],
    name: str,
    names: list[str],
) -> None:
    measured.contenders(names)
    assert layout_problems(drawn(name, measured)) == []


@both
@pytest.mark.parametrize("count", [9])
def test_no_text_meets_another_with_common_names(
    measured: Any,
    drawn: Callable[[str, Any], Figure],
    layout_problems: Callable[[Figure], list[str]],
    name: str,
    count: int,
) -> None:
    measured.contenders([f"torch_custom_{index}" for index in range(count)])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    assert layout_problems(drawn(name, measured)) == []


@both
def test_no_text_meets_another_with_all_workloads(
    measured: Any, drawn: Callable[[str, Any], Figure], layout_problems: Callable[[Figure], list[str]], name: str
) -> None:
    for workload in ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic"):
        measured.contenders([f"torch_{workload}", f"torch_{workload}_fast"], workload)
    measured.manifest = {"machine": {"cpu": "AMD EPYC 9654 96-Core Processor (virtualised)" * 2, "system": "Linux"}}
    assert layout_problems(drawn(name, measured)) == []


@both
@pytest.mark.parametrize("names", [["torch_tensor", "torch_custom_function"], LONG[:2]], ids=["common", "long"])
def test_no_text_meets_another_with_an_implementation_on_several_devices(
    measured: Any,
    drawn: Callable[[str, Any], Figure],
    layout_problems: Callable[[Figure], list[str]],
    name: str,
    names: list[str],
) -> None:
    measured.contenders(names, backends=["torch-cpu", "torch-cuda"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    assert layout_problems(drawn(name, measured)) == []


@both
@pytest.mark.parametrize("speedups", [(0.003, 0.9, 180.0), (0.99, 1.01)])
def test_no_text_meets_another_whatever_the_speedups(
    measured: Any,
    drawn: Callable[[str, Any], Figure],
    layout_problems: Callable[[Figure], list[str]],
    name: str,
    speedups: tuple[float, ...],
) -> None:
    measured.contenders([])
    for index, speedup in enumerate(speedups):
        measured.add(f"torch_{index}", seconds=4e-4 / speedup, speedup=speedup)
    assert layout_problems(drawn(name, measured)) == []


def test_the_check_of_the_layout_sees_overlaps_and_edges(
    measured: Any, drawn: Callable[[str, Any], Figure], layout_problems: Callable[[Figure], list[str]]
) -> None:
    measured.contenders(["torch_nn"])
    figure = drawn("phases", measured)
    figure.text(0.01, 0.98, "on the title", va="top")
    figure.text(0.95, 0.5, "beyond the right edge")
    found = "\n".join(layout_problems(figure))
    assert re.search(r"Where the time.*on the title.*overlap", found)
    assert re.search(r"beyond the right edge' sticks out", found)
