"""`bench explain`: what it reads from a figure's file, how it finds the run, and what it makes of files that lie."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.store import MANIFEST, SAMPLES, SUMMARY
from bench.output import figures
from bench.output.provenance import metadata, read

BENCH = Path(sys.executable).with_name("bench")
KINDS = figures.FORMATS
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results/sample, of which one figure is drawn in all formats."""
    top = tmp_path_factory.mktemp("explain")
    folder = top / "results" / "sample"
    shutil.copytree(ROOT / "tests" / "data" / "sample", folder, ignore=shutil.ignore_patterns("figures"))
    look = figures.Look(figures.Width.COLUMN, figures.Style.DARK)
    figures.draw(folder, ["speedup"], figures.FORMATS, look)
    return top


@pytest.fixture
def top(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which is where the command is run."""
    shutil.copytree(original, tmp_path / "top")
    monkeypatch.chdir(tmp_path / "top")
    return tmp_path / "top"


FIGURE = Path("results", "sample", "figures", "speedup-column-dark.svg")
SAME = "now          drawn from the files as they are"
CHANGED = "now          the files changed since: draw it again"
NOT_FOUND = "now          unknown whether the files changed: its run was not found: name its folder with --run."


def test_the_real_command_says_where_a_figure_comes_from(top: Path) -> None:
    done = subprocess.run([BENCH, "explain", FIGURE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    notes = read(FIGURE)
    assert done.stdout.splitlines() == [
        "figure       speedup: Speedup of one training step over its baseline",
        "run          sample, in results/sample",
        f"drawn by     stepbench {notes.stepbench}",
        f"data         SHA-256 {notes.data_sha256}",
        SAME,
        "draw again   bench plot results/sample --figure speedup --format svg --width column --style dark",
        "measured by  bench run --threads 1 --out sample",
    ]


def test_the_command_that_it_prints_draws_the_same_bytes(top: Path, here: Any) -> None:
    """Without the figures it works as well: what the file said, in the folder above results/."""
    commands = [
        json.loads(here("explain", FIGURE.with_suffix(f".{kind}"), "--json").stdout)["command"] for kind in KINDS
    ]
    assert len(set(commands)) == 3
    before = {path: path.read_bytes() for path in FIGURE.parent.iterdir()}
    shutil.rmtree(FIGURE.parent)
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "bench"
        assert here(*arguments).returncode == 0
    assert {path.name for path in before} == {path.name for path in FIGURE.parent.iterdir()}
    assert [path.name for path, content in before.items() if path.read_bytes() != content] == []


def test_a_figure_is_found_to_be_old_when_any_file_of_its_run_changes(top: Path, here: Any) -> None:
    figure = top / FIGURE
    assert SAME in here("explain", figure, "--check").stdout
    for name in (SAMPLES, SUMMARY, MANIFEST):
        path = top / "results" / "sample" / name
        content = path.read_text(encoding="utf-8")
        changed = content.replace("378", "379", 1) if name != MANIFEST else content + "\n"
        assert changed != content
        path.write_text(changed, encoding="utf-8")
        done = here("explain", figure)
        assert (done.returncode, done.stderr) == (0, "")
        assert CHANGED in done.stdout.splitlines()
        assert here("explain", figure, "--check").returncode == 1
        path.write_text(content, encoding="utf-8")
    done = here("explain", figure, "--check")
    assert (done.returncode, SAME in done.stdout) == (0, True)


def test_the_run_is_found_around_the_figure_in_results_or_where_it_is_said_to_be(
    top: Path, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = top / "paper" / "renamed.svg"
    paper.parent.mkdir()
    shutil.copy(FIGURE, paper)
    link = top / "paper" / "link.svg"
    link.symlink_to(top / FIGURE)
    place = top / "results" / "sample"
    command = "bench plot {} --figure speedup --format svg --width column --style dark"

    def told(*arguments: str | Path) -> tuple[int, str | None, str, str]:
        done = here("explain", *arguments, "--json", "--check")
        found = json.loads(done.stdout)
        return done.returncode, found["run"], found["files"], found["command"]

    shown = "results/sample"
    assert told("paper/renamed.svg") == (0, shown, "same", command.format(shown))
    monkeypatch.chdir(top / "paper")
    assert told("renamed.svg") == (1, None, "unknown", command.format(shown))
    assert NOT_FOUND in here("explain", "renamed.svg").stdout.splitlines()
    assert told("renamed.svg", "--run", "../results/sample") == (
        0, "../results/sample", "same", command.format("../results/sample")
    )  # fmt: skip
    assert told("link.svg") == (0, str(place), "same", command.format(place))
    monkeypatch.chdir(place / "figures")
    assert told("speedup-column-dark.svg") == (0, str(place), "same", command.format(place))
    monkeypatch.chdir(place)
    assert told("figures/speedup-column-dark.svg") == (0, ".", "same", command.format("."))
    moved = top / "my 'old' runs"
    shutil.move(place, moved)
    quoted = "'" + str(moved).replace("'", "'\"'\"'") + "'"
    monkeypatch.chdir(top)
    assert told(moved / "figures" / FIGURE.name) == (0, str(moved), "same", command.format(quoted))


def test_another_run_is_not_taken_for_its_run(top: Path, here: Any, error: Callable[..., str]) -> None:
    other = top / "results" / "other"
    shutil.move(top / "results" / "sample", other)
    manifest = json.loads((other / MANIFEST).read_text(encoding="utf-8"))
    (other / MANIFEST).write_text(json.dumps(manifest | {"run_id": "other"}), encoding="utf-8")
    figure = other / "figures" / FIGURE.name
    assert NOT_FOUND in here("explain", figure).stdout.splitlines()
    message = error(here("explain", figure, "--run", "results/other"))
    assert "results/other is the run 'other'" in message
    assert "'sample'" in message
    assert "results/nowhere is not the folder of a run" in error(here("explain", figure, "--run", "results/nowhere"))


def test_a_run_that_cannot_be_read_any_more_is_said_to_be_so(top: Path, here: Any, error: Callable[..., str]) -> None:
    (top / "results" / "sample" / SUMMARY).write_text("nothing of use", encoding="utf-8")
    done = here("explain", FIGURE)
    assert done.returncode == 0
    assert "unknown whether the files changed: results/sample/summary.csv" in done.stdout
    assert here("explain", FIGURE, "--check").returncode == 1
    assert "results/sample/summary.csv" in error(here("explain", FIGURE, "--run", "results/sample"))


def forged(path: Path, **changes: str) -> Path:
    """The figure with other notes."""
    from matplotlib.figure import Figure

    notes = read(FIGURE).model_copy(update=changes)
    Figure(figsize=(1, 1)).savefig(path, metadata=metadata(notes, path.suffix[1:]))
    return path


def test_a_figure_of_another_version_is_explained_as_far_as_it_goes(top: Path, here: Any) -> None:
    path = forged(top / FIGURE.with_name("violin.png"), figure="violin", stepbench="9.9.9")
    done = here("explain", path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "figure       violin" in lines
    assert "drawn by     stepbench 9.9.9" in lines
    assert "unknown whether the files changed: this stepbench has no figure 'violin'" in done.stdout
    assert json.loads(here("explain", path, "--json").stdout)["title"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_forged_file_reaches_the_terminal_as_a_command_or_markup(top: Path, here: Any, kind: str) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold red]x[/] :boom:\u202e\r\nfigure  fine"
    command = f"bench plot '{evil}'"
    path = forged(top / f"x.{kind}", run_id=evil, stepbench=evil, figure=evil, data_sha256=evil, command=command)
    for options in ([], ["--json"]):
        done = here("explain", path, *options)
        assert done.returncode == 0
        assert not set(done.stdout) & set("\x1b\x07\x9b\u202e\r")
        assert "[bold red]x[/] :boom:" in done.stdout
    assert len(here("explain", path).stdout.splitlines()) == 7
    assert json.loads(here("explain", path, "--json").stdout)["run_id"] == evil


@pytest.mark.parametrize("run_id", ["../sample", "..", ".", "", "/etc", "a\0b", "x" * 5000])
def test_a_run_id_cannot_lead_elsewhere(top: Path, here: Any, run_id: str) -> None:
    shutil.copytree(top / "results" / "sample", top / "sample")
    for folder in (top, top / "results", top / "sample"):
        manifest = json.loads((top / "results" / "sample" / MANIFEST).read_text(encoding="utf-8"))
        (folder / MANIFEST).write_text(json.dumps(manifest | {"run_id": run_id}), encoding="utf-8")
    path = forged(top / "x.svg", run_id=run_id)
    assert json.loads(here("explain", path, "--json").stdout)["run"] is None


def _nothing(path: Path) -> None:
    pass


def _foreign(path: Path) -> None:
    from matplotlib.figure import Figure

    Figure(figsize=(1, 1)).savefig(path)


def _half(path: Path) -> None:
    content = FIGURE.with_suffix(path.suffix).read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "does not exist: give a figure's file"),
        (Path.mkdir, "cannot be read (Is a directory): give a .png, .svg or .pdf file"),
        (_foreign, "does not say where it comes from: only a file that `bench plot` drew does"),
        (_half, "is damaged, or no"),
    ],
)
def test_a_file_that_is_none_of_ours_is_one_sentence(
    top: Path, here: Any, error: Callable[..., str], kind: str, make: Callable[[Path], None], message: str
) -> None:
    path = top / f"picture.{kind}"
    make(path)
    done = here("explain", path)
    assert error(done).startswith(f"Error: {path} {message}")
    assert done.stdout == ""


def test_a_name_that_is_no_figures(top: Path, here: Any, error: Callable[..., str]) -> None:
    assert "is no figure of stepbench: give a .png, .svg or .pdf file" in error(
        here("explain", "results/sample/summary.csv")
    )


def test_no_framework_is_imported(top: Path) -> None:
    code = (
        "import sys; from bench.cli import main\n"
        f"try: main(['explain', {str(FIGURE)!r}, '--check'])\nexcept SystemExit as end: assert end.code == 0\n"
        "print('torch' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False False"
