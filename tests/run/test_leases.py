"""Two commands never measure on one part of a machine at once, unless that was asked for.

A lock belongs to an open file, so that one process can play both commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from bench.backends import nvidia
from bench.errors import UsageError
from bench.model.backends import BACKENDS
from bench.model.sharing import Sharing
from bench.run.leases import leased

Told = SimpleQueue[str]
Lease = Callable[..., AbstractContextManager[tuple[str, ...]]]


@pytest.fixture
def told() -> Told:
    return SimpleQueue()


@pytest.fixture
def lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> Lease:
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path / "home"))

    def take(*names: str, sharing: Sharing = Sharing.WAIT, what: str = "bench run") -> Any:
        backends: Any = [SimpleNamespace(lease=name) for name in names]
        return leased(backends, what, sharing, told.put)

    return take


def test_the_second_waits_until_the_first_has_ended_and_says_for_whom(lease: Lease, told: Told) -> None:
    order: list[str] = []

    def second() -> None:
        with lease("cpu"):
            order.append("second")

    with lease("cpu", what="bench ab HEAD"):
        thread = threading.Thread(target=second)
        thread.start()
        assert "bench ab HEAD" in told.get(timeout=30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert told.empty()


def test_it_refuses_or_goes_on_beside_the_other_where_that_is_wanted(lease: Lease, told: Told) -> None:
    with lease("cpu", what="bench sweep"):
        with pytest.raises(UsageError, match=r"bench sweep \(process \d+, since .*\) measures on cpu already"):
            lease("cpu", sharing=Sharing.REFUSE).__enter__()
        with lease("cpu", sharing=Sharing.SHARE) as (beside,):
            assert "bench sweep" in beside
        with lease("GPU-1", "device/2", sharing=Sharing.REFUSE) as beside_other:
            assert beside_other == (), "another device is free"
    with lease("cpu", sharing=Sharing.REFUSE) as nobody:
        assert nobody == ()
    assert told.empty()


def test_one_that_is_refused_lets_go_of_what_it_had(lease: Lease) -> None:
    with lease("b"), pytest.raises(UsageError):
        lease("a", "b", sharing=Sharing.REFUSE).__enter__()
    with lease("a", sharing=Sharing.REFUSE):
        pass


def test_where_nothing_can_be_locked_it_goes_on_and_says_so(
    lease: Lease, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path / "file"))
    with lease("cpu") as beside:
        assert beside == ()
    assert "Nothing keeps another bench off cpu" in told.get_nowait()


def test_what_stands_in_the_file_cannot_spoil_a_message(lease: Lease, tmp_path: Path) -> None:
    with lease("cpu", what="\x1b[31m"), pytest.raises(UsageError, match="another bench measures on cpu"):
        lease("cpu", sharing=Sharing.REFUSE).__enter__()


def test_backends_that_compute_on_the_same_thing_share_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "torch-cpu", "tf-graph"):
        assert BACKENDS[name].lease == "cpu"
    gpu = SimpleNamespace(uuid=lambda: "GPU-1234", close=lambda: None)
    monkeypatch.setattr(nvidia.NvidiaGpu, "open", lambda **_: gpu)
    assert BACKENDS["torch-cuda"].lease == BACKENDS["jax-cuda"].lease == "GPU-1234"
    monkeypatch.setattr(nvidia.NvidiaGpu, "open", lambda **_: None)
    monkeypatch.setattr(nvidia, "first_visible", lambda _: 1)
    assert BACKENDS["torch-cuda"].lease == "cuda-1"
