"""What is kept of a calibration, and for which machine it counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import StorageError
from bench.run import calibrate, calibration
from bench.run.calibration import Calibration, Rate, fingerprint, load, save

FACTS = {"cpu": "a CPU", "cpus_usable": 2, "memory_bytes": 8 * 2**30, "python": "3.11.9", "load_1min": 0.5}
PACKAGES = {"numpy": "2.1.0", "torch": "2.13.0", "pandas": "2.2.0"}


def made(mark: str | None = None) -> Calibration:
    return Calibration(
        fingerprint=mark or fingerprint(),
        created="2026-02-03T04:05:06+00:00",
        implementation="numpy_manual",
        pairs=20,
        seconds=600.0,
        false_positives=Rate(happened=0, trials=40, low=0.0, high=0.088),
        power={
            "5%": Rate(happened=19, trials=20, low=0.75, high=0.999),
            "10%": Rate(happened=20, trials=20, low=0.83, high=1.0),
        },
        localised=Rate(happened=38, trials=39, low=0.865, high=0.999),
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_calibration_that_cannot_be_kept_is_shown_all_the_same(
    here: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "calibrate", lambda *arguments, **options: made())
    home.touch()
    done = here("doctor", "--calibrate")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Calibrated here on 2026-02-03")
    assert f"Warning: {home / 'calibration'}" in done.stderr
    assert "wrote" not in done.stderr


def test_what_is_saved_is_loaded(home: Path) -> None:
    assert load() is None
    path = save(made())
    assert path == home / "calibration" / f"{fingerprint()}.json"
    assert load() == made()


def test_without_a_home_of_its_own_it_is_kept_with_the_user_s_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEPBENCH_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert save(made()).parent == tmp_path / "state" / "stepbench" / "calibration"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert save(made()).parent == tmp_path / "me" / ".local" / "state" / "stepbench" / "calibration"


def test_that_of_another_machine_does_not_count(home: Path) -> None:
    save(made("0123456789abcdef"))
    assert load() is None
    save(made()).write_text(made("0123456789abcdef").model_dump_json())
    assert load() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 3}', "[" * 100_000, "\ud800"])
def test_a_damaged_file_counts_as_none(home: Path, text: str) -> None:
    save(made()).write_bytes(text.encode("utf-8", errors="surrogatepass"))
    assert load() is None


def test_where_nobody_knows_the_home_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("STEPBENCH_HOME", raising=False)
    monkeypatch.setattr(calibration.Path, "expanduser", unknown)
    assert load() is None
    with pytest.raises(StorageError, match="set STEPBENCH_HOME to a folder"):
        save(made())


def test_a_home_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEPBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot be written"):
        save(made())


def test_the_fingerprint_changes_with_what_makes_times_differ_and_with_nothing_else() -> None:
    mark = fingerprint(FACTS, PACKAGES)
    assert len(mark) == 16
    assert int(mark, 16) >= 0
    others: list[dict[str, object]] = [{"cpu": "another"}, {"cpus_usable": 4}, {"python": "3.12.0"}]
    others += [{"blas_kernels": "Haswell"}, {"cgroup_cpus": 2.0}, {"cpu_model": "family 6, model 1, stepping 1"}]
    for other in others:
        assert fingerprint({**FACTS, **other}, PACKAGES) != mark
    for other in ({"numpy": "2.2.0"}, {"torch": "2.14.0"}, {"tensorflow": "2.21.0"}):
        assert fingerprint(FACTS, {**PACKAGES, **other}) != mark
    # The kernel keeps a little of the memory, and not always as much.
    assert fingerprint({**FACTS, "memory_bytes": 8 * 2**30 - 4096, "load_1min": 9.0}, PACKAGES) == mark
    assert fingerprint(FACTS, {**PACKAGES, "pandas": "3.0.0"}) == mark
    assert fingerprint(FACTS, PACKAGES, {"CUDA_LAUNCH_BLOCKING": "1"}) != mark
    assert fingerprint(FACTS, PACKAGES, {"OMP_NUM_THREADS": "1"}) == mark


def test_the_sentence_of_a_gate() -> None:
    assert made().sentence() == (
        "Calibrated here on 2026-02-03 with up to 20 pairs a verdict: false REGRESSION in 0 of 40 (0% to 9%); "
        "found a planted 5% in 19 of 20 (75% to 100%), 10% in 20 of 20 (83% to 100%); "
        "right phase in 38 of 39 (86% to 100%)."
    )
