"""`bench new`: what it writes runs as it is, and what cannot be is refused before anything is written."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from bench.model.discovery import discover
from bench.model.registry import Registry
from bench.model.workload import WORKLOADS

Here = Callable[..., subprocess.CompletedProcess[str]]
TUTORIAL = ("mlp_sgd", "mlp_bias_sgd", "mlp_bias_adam", "mlp_dynamic")
STARTERS = {
    "mine": ([], ["mine.eager", "mine.compiled", "mine.ddp"]),
    "steps": (["--kind", "workload", "--framework", "numpy"], ["steps.plain", "steps.in_place"]),
    "modules": (["--kind", "workload"], ["modules.autograd", "modules.by_hand"]),
    "another": (["--kind", "implementation"], ["another"]),
    "by_numpy": (["--kind", "implementation", "--framework", "numpy"], ["by_numpy"]),
    "by_jax": (["--framework", "jax"], ["by_jax.staged", "by_jax.fused"]),
}
"""The options and the implementations of each kind of file, by the name that it is given."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_backends: None) -> None:
    monkeypatch.chdir(tmp_path)


def bench(*arguments: str) -> int:
    """Run the command in this process."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def verified(here: Here, *arguments: str) -> dict[str, str]:
    """What the gate says of each implementation on the CPU."""
    done = here("verify", *arguments, "--device", "cpu", "--threads", "1", "--timeout", "150s", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["implementation"]: row["status"] for row in json.loads(done.stdout)}


@pytest.mark.parametrize("framework", ["numpy", pytest.param("torch", marks=pytest.mark.slow)])
def test_every_starter_is_right_as_it_is(here: Here, framework: str) -> None:
    quick = {
        name: starter
        for name, starter in STARTERS.items()
        if name != "by_jax" and ("numpy" in starter[0]) == (framework == "numpy")
    }
    for name, (options, _) in quick.items():
        assert bench("new", name, *options) == 0
    loads = [word for name in quick for word in ("--load", f"{name}.py")]
    names = [name for _, found in quick.values() for name in found if name not in ("mine.compiled", "mine.ddp")]
    assert verified(here, *loads, "-i", ",".join(names)) == dict.fromkeys(names, "ok")


@pytest.mark.slow
def test_the_starter_in_jax_is_right(here: Here) -> None:
    assert bench("new", "by_jax", "--framework", "jax") == 0
    assert verified(here, "--load", "by_jax.py", "-w", "by_jax") == {"by_jax.staged": "ok", "by_jax.fused": "ok"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_starter_in_keras_is_right_on_each_library(here: Here) -> None:
    assert bench("new", "by_keras", "--framework", "keras") == 0
    done = here("verify", "--load", "by_keras.py", "-w", "by_keras", "--threads", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {row["backend"]: row["status"] for row in json.loads(done.stdout)}
    assert found == dict.fromkeys(("keras-torch", "keras-jax", "keras-tensorflow"), "ok")


@pytest.mark.slow
def test_the_models_starter_is_right_compiled_too(here: Here) -> None:
    assert bench("new", "mine") == 0
    assert verified(here, "--load", "mine.py", "-w", "mine") == {"mine.eager": "ok", "mine.compiled": "ok"}


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_registers_its_name_and_the_commands_shown_choose_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options, implementations = STARTERS[name]
    assert bench("new", name, *options, "--out", "a file.py") == 0
    told = capsys.readouterr()
    assert told.err == "wrote a file.py\n"
    verify, run = map(shlex.split, told.out.splitlines())
    assert verify[:4] == ["bench", "verify", "--load", "a file.py"]
    assert run[:4] == ["bench", "run", "--load", "a file.py"]
    if options[1:2] == ["implementation"]:
        assert (verify[4:], run[4:]) == (["-i", name], ["-i", f"numpy_manual,{name}"])
    else:
        assert verify[4:] == run[4:] == ["-w", name]
    text = Path("a file.py").read_text()
    assert "--load 'a file.py'" in text
    assert "$" not in text
    registry = Registry()
    registry.load("file:a file.py")
    assert [item.name for item in registry] == implementations
    assert all(item.summary for item in registry)
    assert bench("list", "--load", "a file.py", "--json") == 0
    assert set(implementations) <= {row["implementation"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("workload", TUTORIAL)
def test_an_implementation_is_of_the_workload_that_is_asked_for(workload: str, framework: str) -> None:
    assert bench("new", "mine", "--kind", "implementation", "-w", workload, "--framework", framework) == 0
    item = discover([Path("mine.py")])["mine"]
    assert (item.workload.name, item.framework, item.devices) == (workload, framework, ())
    text = Path("mine.py").read_text()
    assert text.count('"""An implementation of') == 1
    assert "Program" not in text
    for name, array in WORKLOADS[workload].data(WORKLOADS[workload].problem()).parameters.items():
        assert f"data.parameters['{name}']" in text
        assert f"{array.dtype} {array.shape}" in text


def test_an_implementation_may_be_of_a_workload_from_a_file() -> None:
    assert bench("new", "steps", "--kind", "workload") == 0
    source = Path("steps.py").read_text()
    begin, end = source.index('@implementation("steps.by_hand"'), source.index("@workload")
    alone = source[:end] + source[begin:].replace("steps.by_hand", "alone")
    Path("alone.py").write_text(alone)
    assert bench("new", "mine", "--kind", "implementation", "-w", "steps", "--load", "steps.py") == 2
    command = ["new", "mine", "--kind", "implementation", "-w", "steps", "--load", "steps.py", "--load", "alone.py"]
    assert bench(*command) == 0
    assert discover([Path("steps.py"), Path("mine.py")])["mine"].workload.name == "steps"
    assert "alone" not in Path("mine.py").read_text().partition('"""\n\n')[2]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
def test_a_program_in_another_encoding_can_be_copied(encoding: str) -> None:
    """Its line ends are those of another system, and a form feed stands where some editors put one."""
    assert bench("new", "steps", "--kind", "workload") == 0
    source = Path("steps.py").read_text()
    begin, end = source.index('@implementation("steps.by_hand"'), source.index("@workload")
    alone = source[:end].replace('"""', '"""\x0ccaf\u00e9 ', 1) + source[begin:].replace("steps.by_hand", "alone")
    cookie = "# -*- coding: latin-1 -*-\n" if encoding == "latin-1" else ""
    Path("alone.py").write_bytes((cookie + alone).replace("\n", "\r\n").encode(encoding))
    files = ["--load", "steps.py", "--load", "alone.py"]
    assert bench("new", "mine", "--kind", "implementation", "-w", "steps", *files) == 0
    assert discover([Path("steps.py"), Path("mine.py")])["mine"].workload.name == "steps"
    assert b"\r" not in Path("mine.py").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["2fast"], "'2fast'"),
        (["my-step"], "'my-step'"),
        (["my step"], "'my step'"),
        (["schnäll"], "'schnäll'"),
        (["class"], "'class'"),
        (["x" * 51], "at most 50"),
        (["mlp_sgd"], "'mlp_sgd' already"),
        (["torch_nn", "--kind", "implementation"], "'torch_nn' already"),
        (["torch"], "hide the module 'torch'"),
        (["mine", "--out", "json.py"], "hide the module 'json'"),
        (["mine", "--out", "mine.txt"], "ending .py"),
        (["mine", "--out", "absent/mine.py"], "absent/mine.py cannot be written"),
        (["mine", "--framework", "numpy"], "--kind training does not go with --framework numpy"),
        (["mine", "--framework", "fortran"], "fortran"),
        (["mine", "--kind", "model"], "model"),
        (["mine", "--workload", "mlp_sgd"], "--workload goes with --kind implementation"),
        (["mine", "--kind", "implementation", "--workload", "mlp_sdg"], "did you mean 'mlp_sgd'"),
        (["mine", "--kind", "implementation", "--load", "absent.py"], "absent.py"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_and_nothing_is_written(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert bench("new", *arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("Error: ") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text("mine\n")
    assert bench("new", "mine") == 2
    assert "mine.py exists already" in capsys.readouterr().err
    assert Path("mine.py").read_text() == "mine\n"


def test_starters_are_part_of_the_package(root: Path) -> None:
    import tomllib

    data = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert [path.name for path in (root / "bench" / "output").glob(data["bench.output"][0])]
