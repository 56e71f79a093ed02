from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from bench.data.repair import repair
from bench.data.schema import ProcessRow, SampleRow
from bench.data.store import PROCESSES, SAMPLES, read_processes, read_samples, to_csv
from bench.errors import DataFormatError


def a_run(build: ModuleType, folder: Path, processes: list[int], samples: list[int]) -> None:
    (folder / PROCESSES).write_text(to_csv(ProcessRow, [build.process_row(process=p) for p in processes]))
    rows = [build.sample_row(process=p, turn=i) for p in samples for i in range(3)]
    (folder / SAMPLES).write_text(to_csv(SampleRow, rows))


def test_files_that_need_nothing_are_left_alone(build: ModuleType, tmp_path: Path) -> None:
    a_run(build, tmp_path, [0, 1], [0, 1])
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    repair(tmp_path)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_samples_of_an_interrupted_process_go(build: ModuleType, tmp_path: Path) -> None:
    a_run(build, tmp_path, [0, 1], [0, 1, 2])
    repair(tmp_path)
    assert read_samples(tmp_path)["process"].tolist() == [0, 0, 0, 1, 1, 1]
    assert read_processes(tmp_path)["process"].tolist() == [0, 1]


def test_any_torn_end_can_be_mended_and_loses_at_most_the_torn_process(build: ModuleType, tmp_path: Path) -> None:
    """Cut either file all over its last line: what was complete before is complete afterwards."""
    a_run(build, tmp_path, [0, 1], [0, 1])
    whole = {name: (tmp_path / name).read_bytes() for name in (SAMPLES, PROCESSES)}
    for name in whole:
        start = whole[name].rfind(b"\n", 0, -1) + 1
        for end in {*range(start, len(whole[name]), 7), len(whole[name]) - 1}:
            for other, content in whole.items():
                (tmp_path / other).write_bytes(content)
            (tmp_path / name).write_bytes(whole[name][:end])
            repair(tmp_path)
            processes, samples = read_processes(tmp_path), read_samples(tmp_path)
            assert 0 in set(processes["process"])
            assert set(samples["process"]) <= set(processes["process"])


@pytest.mark.parametrize("name", [PROCESSES, SAMPLES])
@pytest.mark.parametrize("content", [None, b"", b"something else\n1,2\n"])
def test_a_file_that_is_gone_or_another_is_no_interruption(
    build: ModuleType, tmp_path: Path, name: str, content: bytes | None
) -> None:
    """Mending it would throw away what the other file holds."""
    a_run(build, tmp_path, [0, 1], [0, 1])
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataFormatError, match=name.replace(".", r"\.")):
        repair(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_samples_of_several_unknown_processes_are_not_thrown_away(build: ModuleType, tmp_path: Path) -> None:
    a_run(build, tmp_path, [], [0, 1, 2])
    before = (tmp_path / SAMPLES).read_bytes()
    with pytest.raises(DataFormatError, match="lacks the rows of 3 processes"):
        repair(tmp_path)
    assert (tmp_path / SAMPLES).read_bytes() == before
