from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.backends import host
from bench.backends.host import LINE_BYTES, aligned, flusher, last_cache_bytes


@pytest.mark.parametrize(
    "array",
    [
        np.arange(30, dtype=np.float32).reshape(5, 6),
        np.arange(6, dtype=np.int64)[::2],
        np.float64(3.5) * np.ones(()),
        np.zeros((0, 4), dtype=bool),
        np.arange(6.0).reshape(2, 3).T,
    ],
    ids=["matrix", "strided", "scalar", "empty", "transposed"],
)
def test_arrays_begin_with_a_line_of_the_cache_and_are_copies(array: np.ndarray) -> None:
    found = [aligned(array) for _ in range(9)]
    assert {each.__array_interface__["data"][0] % LINE_BYTES for each in found if each.size} <= {0}
    for each in found:
        assert (each.dtype, each.shape, each.flags.c_contiguous) == (array.dtype, array.shape, True)
        np.testing.assert_array_equal(each, array)
        assert not np.shares_memory(each, array)
        assert each.flags.writeable


def caches(folder: Path, *sizes: str) -> Path:
    for number, size in enumerate(sizes):
        (folder / f"index{number}").mkdir()
        (folder / f"index{number}" / "size").write_text(f"{size}\n")
    return folder


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (("48K", "32K", "2048K", "33M"), 33 * 2**20),
        (("32K", "512K"), 512 * 2**10),
        (("1G",), 2**30),
        (("", "unknown", "12", "K"), None),
        (("", "8K"), 8 * 2**10),
        ((), None),
    ],
)
def test_the_largest_cache_is_the_last(tmp_path: Path, sizes: tuple[str, ...], expected: int | None) -> None:
    assert last_cache_bytes(caches(tmp_path, *sizes)) == expected


def test_a_system_that_shows_no_caches_tells_nothing(tmp_path: Path) -> None:
    assert last_cache_bytes(tmp_path / "nowhere") is None


def test_a_flush_writes_twice_the_last_cache_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[np.ndarray] = []
    real = np.zeros

    def zeros(*arguments: object, **options: object) -> np.ndarray:
        made.append(real(*arguments, **options))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(np, "zeros", zeros)
    flush = flusher(lambda: 4096)
    assert made == [], "nothing is made before it is needed"
    flush()
    flush()
    (buffer,) = made
    assert buffer.nbytes == 2 * 4096
    assert (buffer == 2).all()


def test_an_unknown_cache_is_taken_for_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_USUAL_BYTES", 800)
    sizes: list[int] = []
    real = np.zeros
    monkeypatch.setattr(np, "zeros", lambda size, dtype: (sizes.append(size), real(size, dtype=dtype))[1])
    flusher(lambda: None)()
    assert sizes == [200]
