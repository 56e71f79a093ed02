"""The command as a user runs it: what it prints, what it writes, what it exits with.

Most of it is run in this process, which spares a start of half a second each; the processes that measure are real.
`bench` is the installed command in a process of its own, for what only that can show.
"""

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
from unittest import mock

import psutil
import pytest

from bench.data.run import StoredRun
from bench.data.schema import SCHEMA_VERSION
from bench.data.store import read_manifest, read_processes, read_samples, read_summary
from bench.errors import StepbenchError
from bench.model.backends import BACKENDS
from bench.run import session

BENCH = Path(sys.executable).with_name("bench")
SMALL = ["--batch", "20", "--d-in", "16", "--hidden", "12", "--d-out", "8", "--threads", "1"]
QUICK = [*SMALL, "--rounds", "1", "--no-figures"]
Write = Callable[[str, str], Path]
Run = Callable[..., subprocess.CompletedProcess[str]]
Error = Callable[..., str]


def bench(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command; the time limit only keeps a hanging test from hanging the suite."""
    command = [str(BENCH), *map(str, arguments)]
    full = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=150, env=full, check=False)


# --- helping ------------------------------------------------------------------------------------------------------


def test_help_and_list_import_nothing_heavy() -> None:
    code = (
        "import sys; from bench.cli import main\n"
        "for arguments in ['--help'], ['run', '--help'], ['list'], ['list', '--json']:\n"
        "    try: main(arguments)\n    except SystemExit as end: assert end.code in (0, None)\n"
        "    heavy = {'torch', 'tensorflow', 'pandas', 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "    print('HEAVY', arguments, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("HEAVY")]
    assert len(found) == 4
    assert [line for line in found if not line.endswith("] []")] == []


@pytest.mark.parametrize("command", ["run", "list", "verify", "plot", "compare", "doctor"])
def test_every_command_explains_itself(here: Run, command: str) -> None:
    done = here(command, "--help")
    assert done.returncode == 0
    assert "Usage: bench " + command in done.stdout


# --- verifying and running ----------------------------------------------------------------------------------------


def test_verify_prints_errors_and_exits_by_them(here: Run, write: Write) -> None:
    done = here("verify", "-i", "numpy_manual", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout
    wrong = write("wrong.py", WRONG_GRADIENT)
    done = here("verify", "-i", "wrong", "--load", wrong, *SMALL, "--json")
    assert done.returncode == 4
    (row,) = json.loads(done.stdout)
    assert row["status"] == "wrong"
    errors = [each["error"] for each in row["verification"]["errors"] if each["kind"] == "gradient"]
    assert max(errors) == pytest.approx(0.01, rel=1e-3)


def test_a_run_writes_tables_and_figures(here: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = here("run", "-i", "numpy_manual,numpy_dynamic", *SMALL, "--rounds", "1", "--out", out)
    assert done.returncode == 0, done.stderr
    samples, processes, summary = read_samples(out), read_processes(out), read_summary(out)
    for name in ("numpy_manual", "numpy_dynamic"):
        assert name in done.stdout
        assert set(summary[summary["implementation"] == name]["status"]) == {"ok"}
    assert summary["verified"].all()
    assert set(summary[summary["implementation"] == "numpy_dynamic"]["variant"].dropna()) == {0, 1, 2, 3}
    assert (samples["seconds"] > 0).all()
    assert (samples["phase"] == "first_step").sum() == 2
    assert set(samples["process"]) == set(processes["process"])
    assert processes["verified"].all()
    assert (processes["peak_bytes"] > 0).all()
    for path in (out / "figures").iterdir():
        assert f"wrote {path}" in done.stderr
    assert {path.name for path in (out / "figures").iterdir()} == {"phases.png", "phases.svg"}


@pytest.mark.slow
def test_a_run_over_all_frameworks(tmp_path: Path) -> None:
    out = tmp_path / "run"
    names = "numpy_manual,torch_autograd,tf_static_graph,numpy_dynamic,torch_dynamic,jax_dynamic"
    done = bench("run", "-i", names, "--device", "cpu", *SMALL, "--rounds", "1", "--budget", "100s", "--out", out)
    assert done.returncode == 0, done.stderr
    summary = read_summary(out)
    assert set(summary["status"]) == {"ok"}
    assert set(summary["implementation"]) == set(names.split(","))
    assert summary["verified"].all()
    assert set(summary[summary["implementation"] == "tf_static_graph"]["method"]) == {"whole", "profiled"}
    for name in ("torch_dynamic", "jax_dynamic"):
        assert set(summary[summary["implementation"] == name]["variant"].dropna()) == {0, 1, 2, 3}
    assert {path.name for path in (out / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("speedup", "phases") for kind in ("png", "svg")
    }


def test_json_is_the_only_thing_on_standard_output_and_all_is_plain_where_nobody_looks(tmp_path: Path) -> None:
    done = bench("run", "-i", "numpy_manual", *QUICK, "--out", tmp_path / "r", "--json", TERM="dumb", NO_COLOR="1")
    rows = json.loads(done.stdout)
    assert {row["phase"] for row in rows} == {"step", "first_step", "forward", "backward", "update"}
    assert next(row for row in rows if row["phase"] == "step")["low_seconds"] is None
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stderr
    for peak in read_manifest(tmp_path / "r").peaks:  # on a machine that is busy it is unknown
        assert (peak.backend, peak.threads) == ("numpy", 1)
        assert peak.gflops > 0
        assert peak.gigabytes_per_second > 0


def test_ctrl_c_keeps_what_is_finished_and_leaves_nobody_behind(tmp_path: Path) -> None:
    """A polite kill and a terminal that is closed are the same to every command, and tried on `bench ab`."""
    out = tmp_path / "r"
    command = [str(BENCH), "run", "-i", "numpy_manual", *SMALL, "--budget", "100s", "--no-figures", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("Round 3"):
                break
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        running.wait(60)
    assert running.returncode == 130
    assert read_manifest(out).ended_by == "interrupted"
    assert read_summary(out)["processes"].max() >= 2
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


@pytest.mark.slow
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


def test_each_kind_of_trouble_costs_its_own_row_and_shows_in_the_exit_status(
    here: Run, write: Write, tmp_path: Path
) -> None:
    loads: list[str | Path] = []
    for name, (trouble, _, _) in TROUBLES.items():
        loads += ["--load", write(f"{name}.py", mine(name, trouble))]
    loads += ["--load", write("fine.py", mine("fine"))]
    phases = mine("phases").replace("Stage(BACKWARD, backward), ", "")
    loads += ["--load", write("phases.py", phases)]
    names = ",".join([*TROUBLES, "fine", "phases", "numpy_manual"])
    out = tmp_path / "r"
    done = here("run", "-i", names, *loads, *QUICK, "--timeout", "4s", "--out", out)
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
    assert set(StoredRun(out).joined["implementation"]) == {"fine", "numpy_manual"}  # nothing wrong was timed


# --- devices, modes and threads -----------------------------------------------------------------------------------


def test_a_backend_from_a_file_is_listed_measured_and_summarised(here: Run, fakecpu: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    listed = json.loads(here("list", "--load", fakecpu, "--json").stdout)
    assert {row["implementation"] for row in listed if row["backend"] == "numpy-fakecpu"} == {
        "numpy_manual",
        "numpy_bias_sgd",
        "numpy_adam",
        "numpy_dynamic",
    }
    chosen = ["--load", fakecpu, "--device", "fakecpu", "-i", "numpy_manual,numpy_adam"]
    done = here("run", *chosen, *QUICK, "--modes", "resident-warm,transferred-warm", "--out", out)
    assert done.returncode == 0, done.stderr
    summary = read_summary(out)
    assert set(summary["device"]) == {"fakecpu"}
    assert set(summary["status"]) == {"ok"}
    assert set(summary["mode"]) == {"resident-warm", "transferred-warm"}
    assert set(read_processes(out)["device_name"]) == {"Imaginary Device 1"}
    assert read_manifest(out).facts == {"numpy-fakecpu": {"precision": "full"}}
    again = here("run", "--resume", out, "--load", fakecpu, "--no-figures")
    assert again.returncode == 0, again.stderr


def test_threads_and_modes_on_the_command_line_give_a_case_for_each(here: Run) -> None:
    """What the command hands to the engine, without measuring."""
    options = ["-i", "numpy_manual", "--threads", "2,1,2", "--modes", "all"]
    with mock.patch("bench.run.session.run", side_effect=KeyboardInterrupt) as run:
        assert here("run", *options).returncode == 130
    cases = [item.case for item in run.call_args.args[0]]
    assert sorted((case.threads, case.mode) for case in cases) == [
        (threads, mode) for threads in (1, 2) for mode in ("resident-cold", "resident-warm")
    ]


def test_a_precision_that_a_backend_has_not_is_left_out_or_skipped_with_the_reason(here: Run, error: Error) -> None:
    options = ["-i", "numpy_manual", "--threads", "1", "--precision"]
    with mock.patch("bench.run.session.run", side_effect=KeyboardInterrupt) as run:
        here("run", *options, "tf32,full")
    assert [item.case.precision for item in run.call_args.args[0]] == ["full"]
    message = error(here("run", *options, "tf32"), 5)
    assert "numpy_manual on numpy in float32 has no precision tf32: it has full" in message


def test_a_mode_or_a_number_of_threads_that_is_none_names_its_option(here: Run, error: Error) -> None:
    for option, value, hint in (
        ("--modes", "resident-hot", "'resident-hot' is not a mode: did you mean"),
        ("--threads", "1,none", "'none' is not a number of threads"),
    ):
        message = error(here("run", option, value), 2)
        assert option in message
        assert hint in message


def test_the_doctor_proves_a_device_or_says_what_fails(here: Run, error: Error, fakecpu: Path) -> None:
    done = here("doctor", "--device", "fakecpu", "--load", fakecpu, "--threads", "1", "--json")
    assert done.returncode == 4, done.stderr
    checks = json.loads(done.stdout)
    failed = [check["detail"] for check in checks if check["subject"] == "numpy-fakecpu" and not check["passed"]]
    assert failed == ["the device fakecpu offers no matrix product"]
    equal = {check["subject"]: check["passed"] for check in checks if check["name"] == "equal to the oracle"}
    assert equal == {
        f"{name} on numpy-fakecpu": True for name in ("numpy_manual", "numpy_bias_sgd", "numpy_adam", "numpy_dynamic")
    }
    assert "has no clock of its own to prove" in error(here("doctor", "--device", "cpu"), 2)
    assert "did you mean 'cuda'" in error(here("doctor", "--device", "cudo"), 2)


# --- bad input ----------------------------------------------------------------------------------------------------


def test_an_unknown_implementation_suggests_the_nearest(here: Run, error: Error) -> None:
    message = error(here("run", "-i", "numpy_manul", *QUICK))
    assert "'numpy_manul'" in message
    assert "did you mean 'numpy_manual'?" in message


@pytest.mark.parametrize("option", ["--batch", "--d-in", "--hidden", "--d-out", "--threads", "--rounds"])
@pytest.mark.parametrize("value", ["0", "-4", "many", "1.5"])
def test_a_size_that_is_no_positive_whole_number_names_its_option(option: str, value: str) -> None:
    from click.testing import CliRunner

    from bench.cli import cli

    done = CliRunner().invoke(cli, ["run", option, value])
    assert done.exit_code == 2
    assert option in done.output
    assert value in done.output


def test_sizes_that_no_memory_holds_are_refused_before_anything_is_made(
    here: Run, error: Error, tmp_path: Path
) -> None:
    message = error(here("run", "--hidden", "99999999", "-w", "mlp_sgd", cwd=tmp_path), 2)
    assert "choose smaller sizes" in message
    assert list(tmp_path.iterdir()) == []


def test_more_threads_than_cpus_are_warned_of(here: Run, tmp_path: Path) -> None:
    done = here("verify", "-i", "numpy_manual", *SMALL[:-1], "999")
    assert "Warning: --threads 999" in done.stderr


def test_an_unfinished_run_says_how_to_finish_it(here: Run, error: Error, good_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "copy"
    shutil.copytree(good_run, run)
    (run / "summary.csv").unlink()
    assert f"finish it with `bench run --resume {run}`" in error(here("plot", run), 2)


@pytest.mark.parametrize(
    ("option", "values", "hint"),
    [("--within", "0 -1% 200% tight", "write 2% or 0.02"), ("--budget", "0 -1s soon 5p", "write 60s, 2m or 500ms")],
)
def test_a_share_or_a_time_that_is_none_says_how_to_write_one(
    here: Run, error: Error, option: str, values: str, hint: str
) -> None:
    for value in values.split():
        assert hint in error(here("run", option, value), 2)


def test_a_device_that_is_absent_or_unknown(here: Run, error: Error) -> None:
    assert "did you mean 'cuda'" in error(here("run", "--device", "cudo"), 2)
    rows = json.loads(here("list", "--json").stdout)
    if any(row["available"] for row in rows if row["backend"] == "torch-cuda"):
        pytest.skip("there is a CUDA device here, so it cannot be shown what its absence looks like")
    assert "--device cuda is absent here: no CUDA device" in error(here("run", "--device", "cuda"), 2)


def test_an_output_folder_in_use_is_left_as_it_was(here: Run, error: Error, tmp_path: Path) -> None:
    out = tmp_path / "r"
    assert here("run", "-i", "numpy_manual", *QUICK, "--out", out).returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert "has a run in it already" in error(here("run", "-i", "numpy_manual", *QUICK, "--out", out), 2)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    other = tmp_path / "notes"
    other.mkdir()
    (other / "a.txt").write_text("mine")
    assert "has something in it already" in error(here("run", "-i", "numpy_manual", *QUICK, "--out", other), 2)
    below_a_file = tmp_path / "notes" / "a.txt" / "r"
    assert "cannot be made" in error(here("run", "-i", "numpy_manual", *QUICK, "--out", below_a_file), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_like_it", "does not import: ModuleNotFoundError"),
        ("x = 1", "registers nothing"),
        (mine("numpy_manual"), "which .*numpy_manual.py has registered already"),
    ],
)
def test_a_load_file_that_cannot_be_used(here: Run, error: Error, write: Write, text: str, message: str) -> None:
    path = write("mine.py", text)
    found = error(here("run", "--load", path, *QUICK), 2)
    assert str(path) in found
    assert re.search(message, found)


@pytest.fixture(scope="module")
def good_run(here: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "good"
    done = here("run", "-i", "numpy_manual,numpy_adam", *QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _other_version(path: Path) -> None:
    path.write_text(path.read_text().replace(f"\n{SCHEMA_VERSION},", "\n999,"))


def _not_csv(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 10)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (name, damage, message)
        for name in ("summary.csv", "samples.csv", "processes.csv")
        for damage, message in (
            (_truncate, "is cut off"),
            (_other_version, "schema version 999"),
            (_not_csv, "first line does not name the columns"),
            (Path.unlink, "cannot be read"),
        )
        if (name, damage) != ("samples.csv", _other_version)  # its version is that of processes.csv
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(
    here: Run, error: Error, good_run: Path, tmp_path: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    run = tmp_path / "copy"
    shutil.copytree(good_run, run)
    damage(run / name)
    before = sorted(run.rglob("*"))
    arguments = ["plot", run] if name == "summary.csv" else ["compare", good_run, run]
    found = error(here(*arguments), 2)
    assert str(run / name) in found
    assert message in found
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize("arguments", [("--debug", "plot", "nowhere"), ("plot", "nowhere", "--debug")])
def test_an_error_leaves_its_traceback_when_that_is_asked_for(here: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(StepbenchError):
        here(*arguments)


def test_a_run_that_is_sure_enough_stops_before_its_budget(here: Run, tmp_path: Path) -> None:
    out = tmp_path / "r"
    arguments = ["run", "-i", "numpy_manual", *SMALL, "--within", "99%", "--no-figures", "--out", out]
    done = here(*arguments, "--budget", "140s")
    assert done.returncode == 0, done.stderr
    assert read_manifest(out).ended_by == "precision"
    assert set(read_processes(out)["round"]) == set(range(6))
    assert "± 99.0 %" in done.stdout


@pytest.mark.parametrize(
    "names", [("numpy_manual",), pytest.param(session.AA_IMPLEMENTATIONS, marks=pytest.mark.slow)], ids=["numpy", "all"]
)
def test_the_doctor_describes_the_machine_and_its_noise_floor(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(session, "AA_IMPLEMENTATIONS", names)
    done = here("doctor", "--threads", "1", "--pairs", "3", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {floor["case"].split()[0] for floor in report["noise"]} == set(names)
    assert all(floor["detectable"] > 0 and floor["start_seconds"] > 0 for floor in report["noise"])
    assert report["clock_cost_seconds"] > 0
    assert {backend["name"] for backend in report["backends"]} == set(BACKENDS)
    assert list(tmp_path.iterdir()) == []


def test_the_version() -> None:
    from bench import __version__

    assert __version__ in bench("--version").stdout
