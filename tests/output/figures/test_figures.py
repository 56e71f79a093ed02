from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Method, Status
from bench.errors import DataFormatError, NothingToShowError, StorageError, UsageError
from bench.output import figures
from bench.output.figures import Look, RunData, Style, Width
from bench.workloads import tutorial

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(measured: Any) -> Path:
    """A run with a profiled case."""
    measured.contenders(["torch_tensor"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    folder: Path = measured.write()
    return folder


@pytest.fixture(scope="module")
def gallery(new_sampled: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> figures.Drawn:
    """All figures in all formats of a run with two workloads and two sizes, beside an older run of the same cases."""
    folder = tmp_path_factory.mktemp("gallery")
    for name, created in (("older", "2026-01-01T03:04:05+00:00"), ("run", "2026-01-02T03:04:05+00:00")):
        made = new_sampled(folder / name)
        made.manifest = {"created": created, "peaks": [made.build.make_peak()]}
        for hidden in (100, 200):
            made.add(
                "numpy_manual",
                "numpy",
                problem=tutorial(hidden=hidden),
                processes=6,
                seconds=4e-4 * hidden / 100,
            )
            made.add("torch_tensor", problem=tutorial(hidden=hidden), processes=6, seconds=3e-4 * hidden / 100)
        run: Path = made.write()
    return figures.draw(run, (), figures.FORMATS)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_figures_are_found() -> None:
    assert {"speedup", "phases", "ecdf", "samples", "sync_tax", "history"} <= set(figures.names())
    (folder,) = map(Path, figures.__path__)
    assert list(figures.names()) == sorted(path.stem for path in folder.glob("[!_]*.py"))


def test_each_figure_has_a_title_and_two_are_drawn_when_a_run_ends() -> None:
    titles = [figures.title(name) for name in figures.names()]
    assert len({*titles, ""}) == len(titles) + 1
    assert {"speedup", "phases"} <= set(figures.headlines()) < set(figures.names())


def test_a_module_that_is_put_into_the_package_is_a_figure(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "blank.py").write_text(
        "from matplotlib.figure import Figure\nTITLE = 'Nothing'\ndef draw(data, look):\n    return Figure()\n"
    )
    (folder / "_hidden.py").write_text("")
    before = figures.names()
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(folder)])
    try:
        assert set(figures.names()) == {*before, "blank"}
        assert "blank" not in figures.headlines()
        (path,) = figures.draw(run, ["blank"], ["png"]).paths
    finally:
        sys.modules.pop("bench.output.figures.blank", None)
        if hasattr(figures, "blank"):
            del figures.blank
    assert path.read_bytes().startswith(PNG)


def test_all_figures_are_drawn_into_the_runs_own_folder(run: Path) -> None:
    before = files(run)
    done = figures.draw(run)
    assert [path.relative_to(run).as_posix() for path in done.paths] == [
        f"figures/{name}.{kind}" for name in figures.names() if name not in done.left_out for kind in ("png", "svg")
    ]
    assert {"speedup", "phases"}.isdisjoint(done.left_out)
    assert files(run) - before == {path.relative_to(run).as_posix() for path in done.paths}


def test_a_run_that_holds_all_has_every_figure(gallery: figures.Drawn) -> None:
    assert gallery.left_out == {}
    assert [path.name for path in gallery.paths] == [
        f"{name}.{kind}" for name in figures.names() for kind in figures.FORMATS
    ]


def test_files_are_what_their_names_say(gallery: figures.Drawn) -> None:
    starts = {".png": PNG, ".svg": b"<?xml", ".pdf": b"%PDF-"}
    for path in gallery.paths:
        assert path.read_bytes().startswith(starts[path.suffix])


def test_only_the_figure_and_format_asked_for_are_drawn(run: Path) -> None:
    before = files(run)
    done = figures.draw(run, ["phases"], ["svg"])
    assert done == figures.Drawn([run / "figures" / "phases.svg"])
    assert files(run) - before == {"figures/phases.svg"}


def test_a_figure_without_anything_to_show_is_left_out_with_the_reason_or_refused_by_name(measured: Any) -> None:
    measured.contenders([])  # a baseline alone
    folder = measured.write()
    done = figures.draw(folder, (), ["svg"])
    assert {path.name for path in done.paths} == {f"{name}.svg" for name in figures.names()} - {
        f"{name}.svg" for name in done.left_out
    }
    assert done.left_out["speedup"].startswith("no case stands beside its workload's baseline")
    before = files(folder)
    with pytest.raises(NothingToShowError, match="--figure speedup: no case stands beside"):
        figures.draw(folder, ["phases", "speedup"], ["png"])
    assert files(folder) - before <= {"figures/phases.png"}


def test_a_run_is_given_its_headline_figures_as_far_as_there_are_any(measured: Any) -> None:
    measured.contenders([])
    folder = measured.write()
    written = figures.draw_headlines(folder)
    assert [path.name for path in written] == ["phases.png", "phases.svg"]
    assert files(folder) >= {"figures/phases.png", "figures/phases.svg"}


def test_each_look_has_files_of_its_own(run: Path, look: Look) -> None:
    (path,) = figures.draw(run, ["speedup"], ["svg"], look).paths
    assert path.name == f"speedup{look.stem}.svg"
    (width,) = re.findall(r'<svg [^>]*width="([\d.]+)pt"', path.read_text(encoding="utf-8"))
    assert float(width) == pytest.approx(look.inches * 72)
    assert path.read_bytes() == figures.picture(RunData(run), "speedup", "svg", look)


def test_dark_differs_from_light_in_colours_only(run: Path) -> None:
    data = RunData(run)
    pictures = [figures.picture(data, "speedup", "svg", Look(style=style)).decode() for style in Style]
    assert pictures[0] != pictures[1]
    bare = [
        # Without provenance, colours, and the names of hatches and markers, which hold a hash of their colours.
        sorted(
            re.sub(r"<metadata>.*?</metadata>|#?\b[0-9a-z]{10,11}\b|#[0-9a-f]{6}", "", text, flags=re.S).splitlines()
        )
        for text in pictures
    ]
    assert bare[0] == bare[1]


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


@pytest.mark.parametrize("kind", figures.FORMATS)
def test_drawing_again_gives_the_same_bytes_whatever_else_was_drawn(gallery: figures.Drawn, kind: str) -> None:
    data = RunData(gallery.paths[0].parent.parent)
    names = figures.names() if kind == "svg" else ("speedup", "samples", "phases")
    again = {f"{name}.{kind}": figures.picture(data, name, kind, Look()) for name in reversed(names)}
    once = {path.name: path.read_bytes() for path in gallery.paths if path.name in again}
    assert again.keys() == once.keys()
    assert [name for name in once if once[name] != again[name]] == []


def test_a_look_does_not_linger(gallery: figures.Drawn, look: Look) -> None:
    data = RunData(gallery.paths[0].parent.parent)
    once = figures.picture(data, "phases", "svg", look)
    figures.picture(data, "phases", "svg", Look(Width.SLIDE, Style.DARK))
    assert figures.picture(data, "phases", "svg", look) == once


def test_a_moved_run_gives_the_same_bytes(gallery: figures.Drawn, tmp_path: Path) -> None:
    folder = gallery.paths[0].parent.parent
    once = figures.picture(RunData(folder), "speedup", "png", Look())
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "moved")
    assert figures.picture(RunData(moved), "speedup", "png", Look()) == once


def test_a_pdf_embeds_its_fonts_as_truetype(gallery: figures.Drawn) -> None:
    found = [path.read_bytes() for path in gallery.paths if path.suffix == ".pdf"]
    assert found
    for content in found:
        assert b"/CIDFontType2" in content  # fonts are described outside the compressed streams
        assert b"/Type3" not in content


def test_an_svg_has_text_that_can_be_selected(gallery: figures.Drawn) -> None:
    found = [path for path in gallery.paths if path.suffix == ".svg"]
    assert found
    for path in found:
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))
        assert any("torch_tensor" in text for text in texts), path.name
        assert figures.title(path.stem) in texts
        if path.stem != "history":  # which is of many runs
            assert "20260102-030405-6" in " ".join(texts)


def test_files_carry_the_run_and_no_date(gallery: figures.Drawn) -> None:
    for path in gallery.paths:
        content = path.read_bytes()
        assert b"20260102-030405-6" in content
        assert b"CreationDate" not in content
        assert b"dc:date" not in content
        assert b"tIME" not in content


def test_drawing_leaves_matplotlibs_settings_as_they_were(run: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 13.0, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        figures.draw(run, ["phases"], ["svg"], Look(Width.SLIDE, Style.DARK))
        assert dict(mpl.rcParams) == before
