"""Files and folders as options: what they are read as, and what is refused before anything is measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import click
import pytest

from bench.cli import cli
from bench.errors import StorageError
from bench.options.paths import LOADED, NEW_FOLDER, OUTPUT, OUTPUT_OR_DASH, READ, FileOrFolder

EACH = [READ, LOADED, NEW_FOLDER, OUTPUT]
ROOT = Path(__file__).resolve().parents[2]


def refused(kind: FileOrFolder, value: object) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(value, None, None)
    return str(caught.value)


@pytest.mark.parametrize("kind", EACH)
def test_home_is_written_out_where_a_shell_did_not(
    kind: FileOrFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kind.convert("~/x", None, None) == tmp_path / "x"
    assert kind.convert("~nobody-of-that-name/x", None, None) == Path("~nobody-of-that-name/x")
    assert kind.convert("a~", None, None) == Path("a~")


@pytest.mark.parametrize("kind", EACH)
def test_what_can_be_no_path_is_refused(kind: FileOrFolder, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "names nothing: give a path" in refused(kind, "")
    assert "is a symbolic link that leads back to itself" in refused(kind, f"{tmp_path}/loop")
    assert "leads back to itself" in refused(kind, f"{tmp_path}/loop/x.md")
    assert "File name too long" in refused(kind, "x" * 300)


def test_a_name_that_the_files_of_a_run_cannot_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (LOADED, NEW_FOLDER):
        assert "is not UTF-8" in refused(kind, os.fsdecode(b"r\xe9n"))
    assert READ.convert(os.fsdecode(b"r\xe9n"), None, None) == Path(os.fsdecode(b"r\xe9n"))
    odd = tmp_path / os.fsdecode(b"r\xe9n")
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert "is not UTF-8" in refused(NEW_FOLDER, ".")


def test_a_folder_that_is_in_use_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(StorageError, match="has something in it already"):
            NEW_FOLDER.convert(str(path), None, None)


def test_a_dash_is_standard_output_where_there_is_one() -> None:
    assert OUTPUT_OR_DASH.convert("-", None, None) == Path("-")
    assert "is a folder" in refused(OUTPUT_OR_DASH, "/")


def test_no_command_has_a_path_or_a_number_of_another_type() -> None:
    """Click's own check neither home, nor links, nor a number of 400 digits."""
    odd = [
        f"{name} {option.opts[0]}"
        for name, command in cli.commands.items()
        for option in command.params
        if isinstance(option.type, click.Path | click.File | click.types.IntParamType | click.types.FloatParamType)
    ]
    assert odd == []


@pytest.mark.parametrize("name", ["file:x", "http:x", "s3:x", "https:", "~", "r'", "a\nb"])
def test_a_folder_that_looks_like_an_address_is_a_folder(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    for path in (ROOT / "tests" / "data" / "sample").iterdir():
        (tmp_path / name / path.name).write_bytes(path.read_bytes())
    done = here("export", f"./{name}", "--to", "bencher", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == here("export", ROOT / "tests" / "data" / "sample", "--to", "bencher").stdout


def test_what_is_not_utf8_is_refused_unless_it_is_there_to_be_read(
    here: Callable[..., CompletedProcess[str]], error: Callable[..., str], tmp_path: Path
) -> None:
    odd = os.fsdecode(b"r\xe9n")
    for arguments in (["bisect", "HEAD", "HEAD", "-i", odd], ["run", "--device", odd], ["report", odd]):
        assert "'r\\udce9n' is not UTF-8: write it so" in error(here(*arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(ROOT / "tests" / "data" / "sample", tmp_path / odd)
    assert here("export", odd, "--to", "bencher", cwd=tmp_path).returncode == 0
