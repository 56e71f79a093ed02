from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.analysis.history import History, RunFiles, histories
from bench.commands.history import history as command
from bench.data.schema import Method, Status
from bench.data.store import read_manifest, read_summary
from bench.errors import UsageError
from bench.output import provenance
from bench.output.content.history import history_blocks, history_json
from bench.output.explanation import explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Show = Callable[..., str]
LONG = "implementation_with_a_really_long_name_"
REVISION = "0123456789abcdef"


class Folder:
    """A folder of runs, one a day."""

    def __init__(self, build: ModuleType, path: Path) -> None:
        self.build, self.path = build, path
        path.mkdir()
        self.count = 0

    def add(self, times: dict[tuple[str, str], float | None], **manifest: Any) -> Path:
        """One run; a case without a time failed."""
        self.count += 1
        rows = []
        for name, seconds in times.items():
            case = self.build.make_case(*name)
            if seconds is None:
                row = {"status": Status.FAILED, "reason": "it fell over", "method": None, "clock": None}
            else:
                row = {"median_seconds": seconds, "low_seconds": seconds * 0.97, "high_seconds": seconds * 1.04}
            rows.append(self.build.summary_row(case, **row))
        values: dict[str, Any] = {
            "run_id": f"run{self.count:03}",
            "created": f"2026-{1 + self.count // 28:02}-{1 + self.count % 28:02}T03:04:05+00:00",
            "git_revision": f"{self.count:07}" + "a" * 33,
        }
        path: Path = self.build.write_summary_run(self.path / f"run{self.count:03}", rows, **(values | manifest))
        return path

    def fill(self, names: Sequence[tuple[str, str]], count: int = 24, factor: float = 1.2, seed: int = 0) -> None:
        """Runs with 2 % noise; all cases but the first change in the middle, where a new torch came."""
        noise = np.random.default_rng(seed).normal(0, 0.02, (count, len(names)))
        for run in range(count):
            late = run >= count // 2
            times: dict[tuple[str, str], float | None] = {
                name: float(5e-4 * (1 + index) * np.exp(noise[run, index]) * (factor if late and index else 1))
                for index, name in enumerate(names)
            }
            self.add(times, packages={"numpy": "2.4.6", "torch": "2.13.0" if late else "2.12.0"})

    def histories(self) -> tuple[History, ...]:
        paths = sorted(self.path.iterdir())
        return histories([RunFiles(read_manifest(path), read_summary(path)) for path in paths])


@pytest.fixture
def folder(build: ModuleType, tmp_path: Path) -> Folder:
    return Folder(build, tmp_path / "results")


NUMPY, AUTOGRAD = ("numpy_manual", "numpy"), ("torch_autograd", "torch-cpu")


@pytest.fixture(scope="module")
def filled(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """24 runs of two cases; the second became slower at run013."""
    made = Folder(build, tmp_path_factory.mktemp("filled") / "results")
    made.fill([NUMPY, AUTOGRAD])
    return made


def joined(text: str) -> str:
    return " ".join(text.split())


def call(*arguments: Any, fails: type[Exception] | None = None) -> Result:
    result = CliRunner().invoke(command, [str(item) for item in arguments])
    if fails is None:
        assert result.exception is None, result.exception
    else:
        assert isinstance(result.exception, fails)
    return result


def on_all(path: Path, *arguments: Any) -> Result:
    return call(path, "--machine", "all", *arguments)


def test_the_table_says_what_changed_and_between_which_runs(filled: Folder, shown: Show) -> None:
    (history,) = filled.histories()
    text = joined(shown(history_blocks(history)))
    assert "24 runs, 2026-01-02 03:04 to 2026-01-25 03:04 UTC; step" in text
    (change,) = history.series[1].changes
    ends = f"{change.ratio.low:.3f} … {change.ratio.high:.3f}"
    assert f"torch_autograd torch-cpu {change.ratio.value:.3f} {ends}" in text
    assert "run012 (0000012) run013 (0000013)" in text
    assert "New in run run013: torch 2.12.0 → 2.13.0." in text


def test_the_runs_of_a_few_cases_are_listed(filled: Folder, shown: Show) -> None:
    text = shown(history_blocks(filled.histories()[0]))
    (line,) = re.findall(r"^2026-01-14 03:04 +run013 .*torch 2\.12.*$", text, flags=re.MULTILINE)
    assert re.search(r"0000013 +1\.\d\d ms .* changed: \+\d\d %; torch 2\.12\.0 → 2\.13\.0", line)
    assert len(re.findall(r"^2026-01-\d\d 03:04 ", text, flags=re.MULTILINE)) == 48


def test_the_runs_of_many_cases_are_left_out_and_their_gaps_told(folder: Folder, shown: Show) -> None:
    names = [("numpy_manual", "numpy"), *((f"torch_{index}", "torch-cpu") for index in range(3))]
    folder.fill(names, 3)
    folder.add(dict.fromkeys(names[:3], 1.0) | {names[3]: None})
    text = joined(shown(history_blocks(folder.histories()[0])))
    assert "2026-01-05 03:04 run004" not in text
    assert "choose them with `-i NAME`" in text
    assert "torch_2 on torch-cpu, mlp_sgd has no time in 1 run: failed: it fell over" in text


def test_what_was_new_in_a_run_is_said_once_for_all_cases(folder: Folder, shown: Show) -> None:
    for number in "12":
        versions = {"numpy": number, "torch": number}
        folder.add({NUMPY: 1.0, AUTOGRAD: 1.0, ("torch_nn", "torch-cpu"): 1.0}, packages=versions)
    text = shown(history_blocks(folder.histories()[0]))
    assert re.findall(r"^New in run .*$", text, flags=re.MULTILINE) == ["New in run run002: numpy 1 → 2, torch 1 → 2."]


def test_few_runs_say_that_no_change_can_be_told(folder: Folder, shown: Show) -> None:
    folder.add({NUMPY: 1.0})
    text = shown(history_blocks(folder.histories()[0]))
    assert re.search(r"numpy_manual +numpy +1 +1\.00 s +- ", text)
    assert "One run is no history yet" in text
    assert "1 run, 2026-01-02 03:04 UTC" in text
    folder.add({NUMPY: None})
    text = shown(history_blocks(folder.histories()[0]))
    assert re.search(r"run002 +0000002 +- +- +failed: it fell over", text)
    assert "It takes 10 runs to tell a change from noise; these have fewer." in text
    assert "Noise alone" not in text


def test_columns_that_tell_series_apart_are_shown_and_no_others(folder: Folder, build: ModuleType, shown: Show) -> None:
    rows = [build.summary_row(build.make_case(threads=threads), median_seconds=1.0) for threads in (1, 2)]
    build.write_summary_run(folder.path / "x", rows)
    assert re.search(r"implementation +backend +threads +runs", shown(history_blocks(folder.histories()[0])))


def test_a_dirty_revision_is_marked_and_words_are_not_markup(folder: Folder, shown: Show) -> None:
    for revision in (REVISION + "-dirty", None):
        folder.add({("my[bold]step", "numpy"): 1.0}, git_revision=revision)
    text = shown(history_blocks(folder.histories()[0]))
    assert "0123456+" in text
    assert "no revision" in text
    assert "my[bold]step on numpy, mlp_sgd" in text


def test_json_holds_all_that_is_known(filled: Folder) -> None:
    found = history_json(filled.histories())
    assert json.loads(json.dumps(found)) == found
    (machine,) = found
    assert machine["machine"] == {
        "cpu": filled.build.CPU,
        "cpu_model": None,
        "cpus": 2,
        "cgroup_cpus": None,
        "memory_gib": 7.45,
    }
    assert machine["runs"][0] == {
        "run_id": "run001",
        "created": "2026-01-02T03:04:05+00:00",
        "git_revision": "0000001" + "a" * 33,
    }
    quiet, slower = machine["series"]
    assert quiet["changes"] == []
    (change,) = slower["changes"]
    assert (change["before"], change["after"]) == ("run012", "run013")
    assert change["after_revision"] == "0000013" + "a" * 33
    assert change["ratio_low"] < 1.2 < change["ratio_high"]
    assert slower["points"][12]["differences"] == [{"name": "torch", "before": "2.12.0", "after": "2.13.0"}]
    assert slower["points"][0]["low_seconds"] < slower["points"][0]["median_seconds"]


def test_the_command_prints_tables_or_json(filled: Folder) -> None:
    assert "run013 (0000013)" in on_all(filled.path, "-i", "torch_autograd").stdout.replace("\n", " ")
    found = json.loads(on_all(filled.path, "--json", "--backend", "numpy").stdout)
    assert [item["implementation"] for item in found[0]["series"]] == ["numpy_manual"]
    found = json.loads(on_all(filled.path, "--json", "-i", "torch_autograd,numpy_manual").stdout)
    assert len(found[0]["series"]) == 2


def test_the_committed_sample_can_be_read(root: Path) -> None:
    result = on_all(root / "results", "--json", "--phase", "forward")
    assert "torch_tensor" in [item["implementation"] for item in json.loads(result.stdout)[0]["series"]]
    assert result.stderr == ""


def test_only_this_machines_runs_are_shown_unless_asked(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"cpu": "Here", "cpus": 3, "memory_bytes": 4 * 2**30}
    monkeypatch.setattr("bench.machine.environment.machine_facts", lambda: here)
    folder.add({NUMPY: 1.0})
    result = call(folder.path, fails=UsageError)
    assert re.search(
        r"No run below .* is of this machine \(Here, 3 CPUs, 4 GiB\): add --machine all", str(result.exception)
    )
    folder.add({NUMPY: 2.0}, machine=here)
    result = call(folder.path, "--json")
    assert [run["run_id"] for item in json.loads(result.stdout) for run in item["runs"]] == ["run002"]
    assert "Runs of 1 other machine is left out: --machine all shows them." in result.stderr
    assert len(json.loads(on_all(folder.path, "--json").stdout)) == 2


def test_what_is_no_run_is_named_and_passed_over(folder: Folder) -> None:
    folder.add({NUMPY: 1.0})
    (folder.path / "notes").mkdir()
    result = on_all(folder.path, "--json")
    assert len(json.loads(result.stdout)[0]["runs"]) == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Passed over: {folder.path / 'notes'}")


def test_no_run_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    result = call(tmp_path, fails=UsageError)
    assert str(result.exception).startswith(f"{tmp_path} holds no run that can be read: measure one")
    result = call(tmp_path / "absent", fails=UsageError)
    assert "is not a folder" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", "torch_autogrd"], "-i torch_autogrd: these runs have no such implementation; did you mean"),
        (["--backend", "numpi"], "--backend numpi: these runs have no such backend; did you mean 'numpy'"),
        (["--phase", "forward"], "has a forward time of what you chose"),
        (["--figure", "x.jpg"], "--figure is 'x.jpg': give a file that ends in .png, .svg or .pdf."),
    ],
)
def test_a_wrong_choice_is_named(filled: Folder, arguments: list[str], message: str) -> None:
    result = call(filled.path, "--machine", "all", *arguments, fails=UsageError)
    assert message in str(result.exception)


@pytest.fixture
def drawn() -> Callable[..., Figure]:
    import matplotlib as mpl

    mpl.use("agg")
    from bench.output.figures import Look
    from bench.output.figures.history import draw_histories

    def make(found: tuple[History, ...], phase: str = "step") -> Figure:
        with mpl.rc_context(Look().rc()):
            return draw_histories(found, phase, Look())

    return make


def texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    return [item.get_text().strip() for item in figure.findobj(Text)]


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_figure_is_written_without_a_date(filled: Folder, tmp_path: Path, kind: str, start: bytes) -> None:
    path = tmp_path / "new" / f"history.{kind}"
    assert f"wrote {path}" in on_all(filled.path, "-i", "numpy_manual", "--figure", path).stderr
    assert path.read_bytes().startswith(start)
    assert b"CreationDate" not in path.read_bytes()
    found = provenance.read(path)
    assert (found.figure, found.run_id) == ("history", "run024")
    assert found.command == (
        f"bench history results -i numpy_manual --phase step --machine all --figure history.{kind}"
    )
    assert found.measured_by == "bench run"
    files = [filled.path / f"run{run:03}" / name for run in range(1, 25) for name in ("manifest.json", "summary.csv")]
    assert found.data_sha256 == provenance.digest(files)


def test_the_figures_file_knows_whether_its_runs_are_as_they_were(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"cpu": "Here", "cpus": 3, "memory_bytes": 4 * 2**30}
    monkeypatch.setattr("bench.machine.environment.machine_facts", lambda: here)
    folder.add({NUMPY: 1.0}, machine=here, created="2026-03-01T00:00:00+00:00")
    newest = folder.add({NUMPY: 1.0}, machine=here, created="2026-03-02T00:00:00+00:00")
    older = folder.add({NUMPY: 1.1}, machine=here)
    folder.add({NUMPY: 2.0})  # elsewhere
    for machine in ("current", "all"):
        call(folder.path, "--machine", machine, "--figure", tmp_path / f"{machine}.svg")
    assert explain(tmp_path / "current.svg", newest).freshness == "same"
    assert explain(tmp_path / "all.svg", newest).freshness == "unknown"
    (older / "summary.csv").write_text((older / "summary.csv").read_text().replace("1.1", "1.2"))
    assert explain(tmp_path / "current.svg", newest).freshness == "changed"


def test_more_cases_than_panels_are_said_and_those_with_a_change_come_first(
    folder: Folder, drawn: Callable[..., Figure], tmp_path: Path
) -> None:
    names = [NUMPY, *((f"{LONG}{index}", "torch-cpu") for index in range(13))]
    folder.fill(names, 6, factor=1.0)
    for _ in range(10):
        folder.add({name: (9e-3 if name == names[13] else 5e-4 * (1 + at)) for at, name in enumerate(names)})
    figure = drawn(folder.histories())
    assert sum(axis.axison for axis in figure.axes) == 12
    assert any("12 of 14 cases" in text for text in texts(figure))
    assert any(text.endswith("name_12") for text in texts(figure))
    result = on_all(folder.path, "--figure", tmp_path / "x.svg")
    assert "The figure shows 12 of 14 series, those with a change first" in result.stderr


def test_several_machines_are_named_in_the_panels_and_a_phase_in_the_title(
    folder: Folder, build: ModuleType, drawn: Callable[..., Figure]
) -> None:
    for cpu in ("First Processor", "Second Processor with a name that goes on and on"):
        folder.add({NUMPY: 1.0}, machine={"cpu": cpu})
    found = texts(drawn(folder.histories()))
    assert "numpy; First Processor" in found
    assert any(text.startswith("numpy; Second Processor with a name") for text in found)
    rows = [build.summary_row(phase="forward", method=Method.STAGED, median_seconds=1.0)]
    path = build.write_summary_run(folder.path / "phases", rows)
    forward = histories([RunFiles(read_manifest(path), read_summary(path))], "forward")
    assert "Time of the forward phase, run by run" in texts(drawn(forward, "forward"))
