"""The real command, as a user runs it: what it prints, what it writes, what it exits with."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.data.store import read_manifest, read_processes, read_samples, read_summary

BENCH = Path(sys.executable).with_name("bench")
SMALL = ["--batch", "20", "--d-in", "16", "--hidden", "12", "--d-out", "8", "--threads", "1"]
QUICK = [*SMALL, "--rounds", "1", "--no-figures"]
Write = Callable[[str, str], Path]


def bench(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command; the time limit only keeps a hanging test from hanging the suite."""
    command = [str(BENCH), *map(str, arguments)]
    full = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=150, env=full, check=False)


def one_error(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The single sentence on standard error; also checks the exit status and that there is no traceback."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


# --- helping ------------------------------------------------------------------------------------------------------


def test_help_and_list_import_nothing_heavy() -> None:
    for arguments in (["--help"], ["run", "--help"], ["list"], ["list", "--json"]):
        code = (
            "import sys; from bench.cli import main\n"
            f"try: main({arguments!r})\nexcept SystemExit as end: assert end.code in (0, None)\n"
            "heavy = {'torch', 'tensorflow', 'pandas', 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)\n"
            "print('HEAVY', sorted(heavy))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "HEAVY []", arguments


@pytest.mark.parametrize("command", ["run", "list", "verify", "plot", "compare", "doctor"])
def test_every_command_explains_itself(command: str) -> None:
    done = bench(command, "--help")
    assert done.returncode == 0
    assert "Usage: bench " + command in done.stdout


def test_list_shows_every_pair_and_why_not(tmp_path: Path) -> None:
    rows = json.loads(bench("list", "--json").stdout)
    assert len(rows) == 19  # 4 NumPy, 7 torch on two devices, 1 graph
    fused = {row["implementation"] for row in rows if row["fused"]}
    assert fused == {"tf_static_graph"}
    assert all(row["available"] or row["reason"] for row in rows)
    text = bench("list", cwd=tmp_path).stdout
    assert "numpy_manual" in text
    assert "separable" in text


def test_without_tensorflow_everything_else_is_listed_and_its_rows_say_how_to_install_it(tmp_path: Path) -> None:
    """A path finder that hides one package stands for an environment without it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'tensorflow' else real(name, package)\n"
    )
    rows = json.loads(bench("list", "--json", PYTHONPATH=str(tmp_path)).stdout)
    reasons = {row["reason"] for row in rows if row["backend"] == "tf-graph"}
    assert reasons == {"tensorflow is not installed: pip install tensorflow==2.21.0"}
    assert sum(row["available"] for row in rows) >= 11


# --- verifying and running ----------------------------------------------------------------------------------------


def test_verify_prints_errors_and_exits_by_them(write: Write) -> None:
    done = bench("verify", "-i", "numpy_manual", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout
    wrong = write("wrong.py", WRONG_GRADIENT)
    done = bench("verify", "-i", "wrong", "--load", wrong, *SMALL, "--json")
    assert done.returncode == 4
    (row,) = json.loads(done.stdout)
    assert row["status"] == "wrong"
    assert row["verification"]["gradient_error"] == pytest.approx(0.01, rel=1e-3)


def test_a_run_over_all_frameworks_writes_tables_and_figures(tmp_path: Path) -> None:
    out = tmp_path / "run"
    names = "numpy_manual,torch_autograd,tf_static_graph,numpy_dynamic,torch_dynamic"
    done = bench("run", "-i", names, "--device", "cpu", *SMALL, "--rounds", "1", "--budget", "100s", "--out", out)
    assert done.returncode == 0, done.stderr
    for name in ("numpy_manual", "torch_autograd", "tf_static_graph", "torch_dynamic"):
        assert name in done.stdout
    summary = read_summary(out)
    assert set(summary["status"]) == {"ok"}
    assert summary["verified"].all()
    assert set(summary[summary["implementation"] == "tf_static_graph"]["method"]) == {"whole", "profiled"}
    assert set(summary[summary["implementation"] == "torch_dynamic"]["depth"].dropna()) == {0, 1, 2, 3}
    samples, processes = read_samples(out), read_processes(out)
    assert (samples["seconds"] > 0).all()
    assert (samples["phase"] == "first_step").sum() == 5
    assert set(samples["process"]) == set(processes["process"])
    assert processes["verified"].all()
    assert (processes["peak_bytes"] > 0).all()
    for path in (out / "figures").iterdir():
        assert f"wrote {path}" in done.stderr
    assert {path.name for path in (out / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("speedup", "phases") for kind in ("png", "svg")
    }


def test_json_is_the_only_thing_on_standard_output(tmp_path: Path) -> None:
    done = bench("run", "-i", "numpy_manual", *QUICK, "--out", tmp_path / "r", "--json")
    rows = json.loads(done.stdout)
    assert {row["phase"] for row in rows} == {"step", "first_step", "forward", "backward", "update"}
    assert next(row for row in rows if row["phase"] == "step")["low_seconds"] is None


def test_plain_output_where_nobody_looks(tmp_path: Path) -> None:
    done = bench("run", "-i", "numpy_manual", *QUICK, "--out", tmp_path / "r", TERM="dumb", NO_COLOR="1")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stderr


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_polite_kill_keep_what_is_finished_and_leave_nobody_behind(tmp_path: Path, polite: int) -> None:
    out = tmp_path / "r"
    command = [str(BENCH), "run", "-i", "numpy_manual", *SMALL, "--budget", "100s", "--no-figures", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("Round 3"):
                break
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(polite)
        running.wait(60)
    assert running.returncode == 130
    assert read_manifest(out).ended_by == "interrupted"
    assert read_summary(out)["processes"].max() >= 2
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_killing_the_parent_kills_its_children(tmp_path: Path) -> None:
    command = [str(BENCH), "run", "-i", "numpy_manual", *SMALL, "--budget", "100s", "--out", str(tmp_path / "r")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("Round 2"):
                break
        children = psutil.Process(running.pid).children(recursive=True)
        assert children
        running.kill()
        running.wait(60)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert len(read_samples(tmp_path / "r"))  # and no file is torn


# --- implementations that misbehave cost their own row only -------------------------------------------------------

MINE = """
from bench import BACKWARD, FORWARD, UPDATE, Stage, State, Step, implementation

@implementation("NAME", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    import numpy as np, os, time
    x, y = data.x, data.y
    w = {name: np.array(value) for name, value in data.parameters.items()}
    g = {}
    last = {}
    def forward():
        last["h"] = x @ w["w1"]
        last["e"] = np.maximum(last["h"], 0) @ w["w2"] - y
        last["loss"] = float((last["e"] ** 2).sum())
    def backward():
        g["w2"] = np.maximum(last["h"], 0).T @ (2 * last["e"])
        g["w1"] = x.T @ np.where(last["h"] > 0, 2 * last["e"] @ w["w2"].T, 0)
        TROUBLE
    def update():
        for name in w:
            w[name] -= data.learning_rate * g[name]
    def reset():
        for name in w:
            w[name][...] = data.parameters[name]
    state = lambda: State(last["loss"], {k: v.copy() for k, v in w.items()}, dict(g))
    return Step((Stage(FORWARD, forward), Stage(BACKWARD, backward), Stage(UPDATE, update)), state, reset)
"""


def mine(name: str, trouble: str = "pass") -> str:
    return MINE.replace("NAME", name).replace("TROUBLE", trouble)


WRONG_GRADIENT = mine("wrong", 'g["w1"] = g["w1"] * 1.01')
TROUBLES = {
    "raises": ("raise RuntimeError('no luck')", "failed", "RuntimeError: no luck"),
    "is_nan": ('g["w1"][0, 0] = float("nan")', "wrong", "the gradient of w1 is not finite in step 1"),
    "is_wrong": ('g["w1"] = g["w1"] * 1.01', "wrong", "the gradient of w1 is off by 1.0e-02 in step 1"),
    "dies": ("os.kill(os.getpid(), 11)", "failed", "its process died by SIGSEGV"),
    "hangs": ("time.sleep(1000)", "timeout", "no answer for 4 s, so it was killed: raise --timeout"),
}


def test_each_kind_of_trouble_costs_its_own_row_and_shows_in_the_exit_status(write: Write, tmp_path: Path) -> None:
    loads: list[str | Path] = []
    for name, (trouble, _, _) in TROUBLES.items():
        loads += ["--load", write(f"{name}.py", mine(name, trouble))]
    loads += ["--load", write("fine.py", mine("fine"))]
    phases = mine("phases").replace("Stage(BACKWARD, backward), ", "")
    loads += ["--load", write("phases.py", phases)]
    names = ",".join([*TROUBLES, "fine", "phases", "numpy_manual"])
    out = tmp_path / "r"
    done = bench("run", "-i", names, *loads, *QUICK, "--timeout", "4s", "--out", out)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    rows = read_summary(out)
    steps = rows[rows["phase"] == "step"].set_index("implementation")
    for name, (_, status, reason) in TROUBLES.items():
        assert steps.loc[name, "status"] == status
        assert steps.loc[name, "reason"].startswith(reason)
        assert not steps.loc[name, "verified"]
        assert f"{status}: {name} on numpy: {reason}" in done.stdout
    assert steps.loc["phases", "reason"].startswith("The stages of a step cover forward, update")
    assert steps.loc["fine", "status"] == "ok"
    assert steps.loc["fine", "speedup"] > 0
    assert set(read_samples(out)["implementation"]) == {"fine", "numpy_manual"}  # nothing wrong was timed


# --- bad input ----------------------------------------------------------------------------------------------------


def test_an_unknown_implementation_suggests_the_nearest() -> None:
    message = one_error(bench("run", "-i", "numpy_manul", *QUICK), 2)
    assert message == "Error: There is no implementation 'numpy_manul': did you mean 'numpy_manual'?"


@pytest.mark.parametrize("option", ["--batch", "--d-in", "--hidden", "--d-out", "--threads", "--rounds"])
@pytest.mark.parametrize("value", ["0", "-4", "many", "1.5"])
def test_a_size_that_is_no_positive_whole_number_names_its_option(option: str, value: str) -> None:
    from click.testing import CliRunner

    from bench.cli import cli

    done = CliRunner().invoke(cli, ["run", option, value])
    assert done.exit_code == 2
    assert option in done.output
    assert value in done.output


def test_sizes_that_no_memory_holds_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    message = one_error(bench("run", "--hidden", "99999999", "-w", "mlp_sgd", cwd=tmp_path), 2)
    assert "choose smaller sizes" in message
    assert list(tmp_path.iterdir()) == []


def test_more_threads_than_cpus_are_warned_of(tmp_path: Path) -> None:
    done = bench("verify", "-i", "numpy_manual", *SMALL[:-1], "999")
    assert "Warning: --threads 999" in done.stderr


def test_an_unfinished_run_says_how_to_finish_it(good_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "copy"
    shutil.copytree(good_run, run)
    (run / "summary.csv").unlink()
    assert f"finish it with `bench run --resume {run}`" in one_error(bench("plot", run), 2)


@pytest.mark.parametrize("value", ["0", "-1%", "200%", "tight"])
def test_a_precision_that_is_no_share_says_how_to_write_one(value: str) -> None:
    assert "write 2% or 0.02" in one_error(bench("run", "--precision", value), 2)


@pytest.mark.parametrize("value", ["0", "-1s", "soon", "5 parsecs"])
def test_a_budget_that_is_no_time_says_how_to_write_one(value: str) -> None:
    assert "write 60s, 2m or 500ms" in one_error(bench("run", "--budget", value), 2)


def test_a_device_that_is_absent_or_unknown() -> None:
    assert "did you mean 'cuda'" in one_error(bench("run", "--device", "cudo"), 2)
    rows = json.loads(bench("list", "--json").stdout)
    if any(row["available"] for row in rows if row["backend"] == "torch-cuda"):
        pytest.skip("there is a CUDA device here, so it cannot be shown what its absence looks like")
    assert "--device cuda is absent here: no CUDA device" in one_error(bench("run", "--device", "cuda"), 2)


def test_an_output_folder_in_use_is_left_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "r"
    assert bench("run", "-i", "numpy_manual", *QUICK, "--out", out).returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert "has a run in it already" in one_error(bench("run", "-i", "numpy_manual", *QUICK, "--out", out), 2)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    other = tmp_path / "notes"
    other.mkdir()
    (other / "a.txt").write_text("mine")
    assert "has something in it already" in one_error(bench("run", "-i", "numpy_manual", *QUICK, "--out", other), 2)
    below_a_file = tmp_path / "notes" / "a.txt" / "r"
    assert "cannot be made" in one_error(bench("run", "-i", "numpy_manual", *QUICK, "--out", below_a_file), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_like_it", "does not import: ModuleNotFoundError"),
        ("x = 1", "registers no implementation"),
        (mine("numpy_manual"), "which .*numpy_manual.py has registered already"),
    ],
)
def test_a_load_file_that_cannot_be_used(write: Write, text: str, message: str) -> None:
    path = write("mine.py", text)
    found = one_error(bench("run", "--load", path, *QUICK), 2)
    assert str(path) in found
    assert re.search(message, found)


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "good"
    done = bench("run", "-i", "numpy_manual,numpy_adam", *QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _other_version(path: Path) -> None:
    path.write_text(path.read_text().replace("\n1,", "\n999,"))


def _not_csv(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 10)


@pytest.mark.parametrize("name", ["summary.csv", "samples.csv", "processes.csv"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "is cut off"),
        (_other_version, "schema version 999"),
        (_not_csv, "first line does not name the columns"),
        (Path.unlink, "cannot be read"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(
    good_run: Path, tmp_path: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    run = tmp_path / "copy"
    shutil.copytree(good_run, run)
    damage(run / name)
    before = sorted(run.rglob("*"))
    arguments = ["plot", run] if name == "summary.csv" else ["compare", good_run, run]
    found = one_error(bench(*arguments), 2)
    assert str(run / name) in found
    assert message in found
    assert sorted(run.rglob("*")) == before


def test_a_folder_that_is_no_run() -> None:
    assert "nowhere is not the folder of a run" in one_error(bench("plot", "nowhere"), 2)


def test_plot_draws_what_is_asked_for(good_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "copy"
    shutil.copytree(good_run, run)
    done = bench("plot", run, "--figure", "phases", "--format", "pdf")
    assert done.stdout.splitlines() == [str(run / "figures" / "phases.pdf")]
    assert "--format is 'gif'" in one_error(bench("plot", run, "--format", "gif"), 2)
    assert "did you mean 'phases'" in one_error(bench("plot", run, "--figure", "phase"), 2)


def test_compare_puts_two_runs_side_by_side(good_run: Path) -> None:
    done = bench("compare", good_run, good_run, "--json")
    assert done.returncode == 0
    cases = json.loads(done.stdout)["cases"]
    assert {case["ratio"]["value"] for case in cases} == {1.0}
    assert "numpy_adam" in bench("compare", good_run, good_run).stdout


def test_a_traceback_is_shown_only_when_it_is_asked_for() -> None:
    assert "Traceback" in bench("--debug", "plot", "nowhere").stderr
    assert "Traceback" in bench("plot", "nowhere", "--debug").stderr


def test_a_run_that_is_sure_enough_stops_before_its_budget(tmp_path: Path) -> None:
    out = tmp_path / "r"
    arguments = ["run", "-i", "numpy_manual", *SMALL, "--precision", "99%", "--no-figures", "--out", out]
    done = bench(*arguments, "--budget", "140s")
    assert done.returncode == 0, done.stderr
    assert read_manifest(out).ended_by == "precision"
    assert set(read_processes(out)["round"]) == set(range(6))
    assert "every speedup's interval is within the --precision asked for (± 99.0%)" in done.stdout


def test_the_doctor_describes_the_machine_and_its_noise_floor(tmp_path: Path) -> None:
    done = bench("doctor", "--threads", "1", "--pairs", "3", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {floor["case"].split()[0] for floor in report["noise"]} >= {"numpy_manual", "torch_autograd"}
    assert all(floor["detectable"] > 0 and floor["start_seconds"] > 0 for floor in report["noise"])
    assert 0 < report["clock_cost_seconds"] < 1e-3
    assert {backend["name"] for backend in report["backends"]} == {"numpy", "torch-cpu", "torch-cuda", "tf-graph"}
    assert list(tmp_path.iterdir()) == []


def test_the_version() -> None:
    from bench import __version__

    assert __version__ in bench("--version").stdout
