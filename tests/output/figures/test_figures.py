from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.schema import Method, Status
from bench.errors import DataFormatError, NothingToShowError, UsageError
from bench.output import figures
from bench.output.catalogue import several_figures
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


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_figures_are_found_and_two_are_drawn_when_a_run_ends() -> None:
    (folder,) = map(Path, figures.__path__)
    assert sorted([*figures.names(), *several_figures(), "power"]) == sorted(
        path.stem for path in folder.glob("[!_]*.py")
    )
    titles = [figures.about(name).title for name in figures.names()]
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


@pytest.mark.parametrize(("asked", "kinds"), [((), ("png", "svg")), (("phases",), ("svg",))])
def test_the_figures_asked_for_or_all_are_drawn_into_the_runs_own_folder(
    run: Path, asked: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    before = files(run)
    done = figures.draw(run, asked, kinds)
    names = asked or [name for name in figures.names() if name not in done.left_out]
    assert "phases" in names
    assert [path.relative_to(run).as_posix() for path in done.paths] == [
        f"figures/{name}.{kind}" for name in names for kind in kinds
    ]
    assert files(run) - before == {path.relative_to(run).as_posix() for path in done.paths}


def test_a_figure_without_anything_to_show_is_left_out_with_the_reason_or_refused_by_name(measured: Any) -> None:
    measured.contenders([])  # a baseline alone
    folder = measured.write()
    done = figures.draw(folder, (), ["svg"])
    assert {path.stem for path in done.paths} == {*figures.names()} - done.left_out.keys()
    assert done.left_out["speedup"].startswith("no case stands beside its workload's baseline")
    with pytest.raises(NothingToShowError, match="--figure speedup: no case stands beside"):
        figures.draw(folder, ["phases", "speedup"], ["png"])
    assert not (folder / "figures" / "speedup.png").exists()
    assert [path.name for path in figures.draw_headlines(folder)] == ["phases.png", "phases.svg"]


def one_size(made: Any, **manifest: Any) -> None:
    made.manifest |= manifest
    made.contenders(["torch_tensor"])


def two_sizes(made: Any) -> None:
    for hidden in (10, 20):
        made.add("torch_nn", problem=tutorial(hidden=hidden), processes=2)


@pytest.mark.parametrize(
    ("kind", "names", "fill", "reason"),
    [
        ("measured", "speedup", lambda made: made.add("torch_tensor"), r"no case stands beside .* no speedup to show"),
        ("measured", "speedup", lambda made: made.add("numpy_manual", speedup=1.0), "no case stands beside"),
        ("sampled", "ladder", lambda made: made.add("torch_nn"), "no workload has two rungs: measure its baseline"),
        ("sampled", "profile", lambda made: made.add("torch_nn"), "one problem was measured: .*`bench sweep`"),
        ("sampled", "profile", two_sizes, "one contender was measured: add an implementation"),
        ("measured", "sync_tax", lambda made: made.add("torch_fused"), "no case has its phases timed apart"),
        ("measured", "speedup_size time_size heatmap", one_size, r"every case has one size only: .*`bench sweep`"),
        ("swept", "speedup_size heatmap", lambda made: made.line("torch_nn"), "no case stands .* at several sizes: "),
        ("measured", "ecdf samples", one_size, r"samples\.csv holds no whole step"),
        (
            "swept",
            "roofline",
            lambda made: one_size(made, peaks=[]),
            "no peak of a device .*: `bench run`",
        ),
        (
            "swept",
            "roofline",
            lambda made: one_size(made, peaks=[made.build.make_peak(threads=16)]),
            "no peak of a device",
        ),
    ],
)
def test_a_figure_says_why_it_has_nothing_to_show(
    request: pytest.FixtureRequest, drawn: Any, kind: str, names: str, fill: Callable[[Any], None], reason: str
) -> None:
    made = request.getfixturevalue(kind)
    fill(made)
    folder = made.write()
    for name in names.split():
        with pytest.raises(NothingToShowError, match=f"^{reason}"):
            drawn(name, folder)


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


def test_a_run_in_which_nothing_was_measured_is_refused(measured: Any) -> None:
    row = {"status": Status.SKIPPED, "reason": "because", "verified": False, "method": None, "clock": None}
    measured.rows = [measured.build.summary_row(**row)]
    folder = measured.write()
    with pytest.raises(DataFormatError, match=f"{re.escape(str(folder))} has no case that was measured"):
        figures.draw(folder)
    assert not (folder / "figures").exists()


def test_drawing_a_moved_run_again_gives_the_same_bytes_whatever_else_was_drawn(
    gallery: figures.Drawn, tmp_path: Path
) -> None:
    data = RunData(shutil.copytree(gallery.paths[0].parent.parent, tmp_path / "elsewhere" / "moved"))
    figures.picture(data, "ecdf", "svg", Look(Width.SLIDE, Style.DARK))
    once = {path.name: path.read_bytes() for path in gallery.paths}
    for name, kind in (("samples", "png"), ("speedup", "svg"), ("phases", "pdf")):
        assert figures.picture(data, name, kind, Look()) == once[f"{name}.{kind}"], name


def test_a_pdf_embeds_its_fonts_as_truetype(gallery: figures.Drawn) -> None:
    for path in gallery.paths:
        if path.suffix == ".pdf":
            assert b"/CIDFontType2" in path.read_bytes()  # fonts are described outside the compressed streams
            assert b"/Type3" not in path.read_bytes()


def test_an_svg_has_text_that_can_be_selected(gallery: figures.Drawn) -> None:
    for path in gallery.paths:
        if path.suffix == ".svg":
            texts = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))
            assert any("torch_tensor" in text for text in texts), path.name
            assert figures.about(path.stem).title in texts
            assert path.stem == "history" or "20260102-030405-6" in " ".join(texts)  # a history is of many runs


def test_a_run_that_holds_all_has_every_figure_and_each_file_has_its_run_and_no_date(gallery: figures.Drawn) -> None:
    assert gallery.left_out == {}
    assert [path.stem for path in gallery.paths if path.suffix == ".svg"] == list(figures.names())
    assert {path.suffix[1:] for path in gallery.paths} == set(figures.FORMATS)
    starts = {".png": PNG, ".svg": b"<?xml", ".pdf": b"%PDF-"}
    for path in gallery.paths:
        content = path.read_bytes()
        assert content.startswith(starts[path.suffix])
        assert b"20260102-030405-6" in content
        assert not [date for date in (b"CreationDate", b"dc:date", b"tIME") if date in content]


# Fonts, as a printer's preflight sees them: journals refuse Type 3 and what is not embedded

Needs = Callable[[str, str], str]
GOOD = {"type": "CID TrueType", "emb": "yes", "sub": "yes", "uni": "yes"}


def fonts(program: str, path: Path) -> list[dict[str, str]]:
    """What `pdffonts` says of a file: the columns under their names."""
    done = subprocess.run([program, path], capture_output=True, text=True, check=True, timeout=60)
    heads, rule, *lines = done.stdout.splitlines()
    ends = [0, *(place for place, mark in enumerate(rule) if mark == " "), len(rule)]
    places = list(itertools.pairwise(ends))
    return [{heads[start:end].strip(): line[start:end].strip() for start, end in places} for line in lines]


def test_every_font_is_embedded_as_truetype(needs: Needs, gallery: figures.Drawn) -> None:
    program = needs("poppler", "pdffonts")
    for path in (path for path in gallery.paths if path.suffix == ".pdf"):
        found = fonts(program, path)
        assert found, path.name
        assert all("DejaVu" in font["name"] for font in found)
        assert [font for font in found if font | GOOD != font] == [], path.name


@pytest.mark.parametrize("required", [True, False])
def test_a_missing_program_is_a_failure_only_where_it_is_required(
    needs: Needs, monkeypatch: pytest.MonkeyPatch, required: bool
) -> None:
    monkeypatch.setenv("STEPBENCH_REQUIRE", "tex,poppler" if required else "")
    assert Path(needs("poppler", "sh")).is_file()
    with pytest.raises(pytest.fail.Exception if required else pytest.skip.Exception, match="it comes with poppler"):
        needs("poppler", "no-such-program")
