"""The documents' examples work as they stand."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_worked_example_is_the_file_and_it_is_right(here: Run, root: Path) -> None:
    text = (root / "docs" / "adding.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert block == (root / "docs" / "examples" / "numpy_inplace.py").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(bench verify .*)$", text, flags=re.MULTILINE)
    for dtype in ("float32", "float64"):
        done = here(*command.split()[1:], "--dtype", dtype, "--threads", "1", "--json", cwd=root)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [row["status"] for row in json.loads(done.stdout)] == ["ok"]


def test_the_commands_in_the_documents_exist(root: Path) -> None:
    from bench.cli import cli

    for document in [root / "README.md", *(root / "docs").glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for command in re.findall(r"^\s*(?:\$ )?bench ([a-z-]+)", text, flags=re.MULTILINE):
            assert command in cli.commands, f"{document.name}: bench {command}"
        known = {
            option
            for each in cli.commands.values()
            for item in each.params
            for option in (*item.opts, *item.secondary_opts)
        }
        for option in re.findall(r"`(--[a-z][a-z0-9-]+)", text):
            assert option in known | {"--constraint", "--extra-index-url", "--bench-gate"}, f"{document.name}: {option}"


def commands_of(document: Path) -> list[list[str]]:
    """The words of each command that stands in a document's blocks for a shell."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("bench ")]


def test_the_commands_in_the_documents_have_the_options_that_they_give(root: Path) -> None:
    import click

    from bench.cli import cli

    found = [words for path in [root / "README.md", *(root / "docs").glob("*.md")] for words in commands_of(path)]
    assert len(found) > 20
    for _, name, *words in found:
        command = cli.commands[name]
        with click.Context(command, info_name=name) as context:
            assert command.parse_args(context, words) == [], words


def test_the_first_file_of_own_step_is_what_bench_new_writes(root: Path) -> None:
    """The document shows it without its comments."""
    text = (root / "docs" / "own-step.md").read_text(encoding="utf-8")
    block = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    starter = (root / "bench" / "output" / "starters" / "training-torch.txt").read_text(encoding="utf-8")
    written = ast.parse(starter.replace("$name", "my_step"))
    del written.body[0]  # its docstring is about how to go on
    assert ast.dump(ast.parse(block)) == ast.dump(written)
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "bench new my_step" in readme


QUICK = {
    "verify": ("--timeout", "200s"),
    "run": ("--rounds", "1", "--timeout", "200s"),
    "sweep": ("--rounds", "1", "--timeout", "200s"),
    "ab": ("--pairs", "7", "--timeout", "200s", "--margin", "50%", "--tolerance", "95%"),
}
"""What shortens a command; criteria that noise cannot meet."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_commands_of_own_step_work_one_after_another(root: Path, tmp_path: Path) -> None:
    """In a repository of a user's, as the document is read: what one writes the next ones use."""

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    git("init", "-q", "-b", "main")
    (tmp_path / "docs").symlink_to(root / "docs")
    commands = commands_of(root / "docs" / "own-step.md")
    assert {name for _, name, *_ in commands} >= {"new", "verify", "run", "sweep", "ab", "plot", "report", "list"}
    for _, name, *words in commands:
        if name == "ab":
            git("add", "-A")
            git("commit", "-q", "--allow-empty", "-m", "as it was")
        command = [sys.executable, "-m", "bench", name, *words, *QUICK.get(name, ())]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
        fine = (0, 1, 3) if words[:1] == ["my_step.eager"] else (0, 3) if name == "ab" else (0,)
        assert done.returncode in fine, (words, done.stdout, done.stderr)
    assert list((tmp_path / "results" / "sweep" / "figures").glob("speedup_size.*"))
    assert (tmp_path / "results" / "sweep" / "report.html").is_file()


def test_the_sample_run_can_be_read_and_belongs_to_this_version(root: Path) -> None:
    from bench.data.store import read_crossovers, read_manifest, read_processes, read_samples, read_summary

    folder = root / "results" / "sample"
    manifest = read_manifest(folder)
    assert manifest.run_id == "sample"
    assert list(manifest.axes) == ["size.hidden"]
    assert len(read_samples(folder)) > 100
    assert set(read_processes(folder)["status"]) == {"ok"}
    assert set(read_summary(folder)["status"]) == {"ok", "skipped"}
    assert "found" in set(read_crossovers(folder)["status"])


def test_every_flag_is_explained(root: Path) -> None:
    from bench.machine.disturbance import MEANINGS

    text = (root / "docs" / "measuring.md").read_text(encoding="utf-8")
    for flag, meaning in MEANINGS.items():
        assert f"| `{flag}` | {meaning} |" in text


def test_the_readmes_table_is_that_of_the_sample_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number that is shown was measured: the table in the README is made from the committed files."""
    from bench.analysis.crossover import crossovers
    from bench.analysis.summarise import summarise
    from bench.data.store import read_crossovers, read_manifest, read_processes, read_samples
    from bench.output.content.crossovers import Crossovers
    from bench.output.content.summary import Summary
    from bench.output.content.sweep import sweep_blocks
    from bench.output.render.terminal import show

    folder = root / "results" / "sample"
    manifest, samples, processes = read_manifest(folder), read_samples(folder), read_processes(folder)
    rows = summarise(manifest, samples, processes)
    assert [(row.status, row.size) for row in crossovers(manifest, rows, samples, processes)] == [
        (row["status"], None if row["size"] != row["size"] else row["size"])
        for row in read_crossovers(folder).to_dict("records")
    ]
    show(sweep_blocks(Summary(rows, manifest), Crossovers(read_crossovers(folder)), "RUN"))
    table = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    readme = (root / "README.md").read_text(encoding="utf-8")
    start = table.index(next(line for line in table if line.startswith("mlp_sgd:")))
    crossing = [line for line in table if " overtakes " in line]
    assert crossing
    for line in [*table[start : start + 7], *crossing]:
        assert line in readme


def test_the_figures_of_the_sample_run_show_its_files(root: Path) -> None:
    """The pictures in the README are drawn from what is committed beside them."""
    from bench.output.explanation import Freshness, explain

    found = sorted((root / "results" / "sample" / "figures").iterdir())
    assert len(found) >= 5
    assert {explain(path, None).freshness for path in found} == {Freshness.SAME}
