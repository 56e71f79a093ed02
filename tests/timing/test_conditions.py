from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.timing import conditions

Fake = Callable[[dict[str, str]], None]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Pretend that the kernel's files have this content."""

    def pretend(files: dict[str, str]) -> None:
        monkeypatch.setattr(conditions, "_read", lambda path: files.get(str(path)))

    return pretend


CPU = "/sys/devices/system/cpu"


@pytest.mark.parametrize(
    ("check", "files", "state", "disturbs", "cure"),
    [
        (conditions._governor, {}, "not visible", False, ""),
        (
            conditions._governor,
            {f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave"},
            "powersave",
            True,
            "sudo cpupower frequency-set --governor performance",
        ),
        (conditions._governor, {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance"}, "performance", False, ""),
        (
            conditions._turbo,
            {f"{CPU}/intel_pstate/no_turbo": "0"},
            "on",
            True,
            f"echo 1 | sudo tee {CPU}/intel_pstate/no_turbo",
        ),
        (conditions._turbo, {f"{CPU}/intel_pstate/no_turbo": "1"}, "off", False, ""),
        (conditions._turbo, {f"{CPU}/cpufreq/boost": "1"}, "on", True, f"echo 0 | sudo tee {CPU}/cpufreq/boost"),
        (conditions._smt, {f"{CPU}/smt/active": "1"}, "on", True, f"echo off | sudo tee {CPU}/smt/control"),
        (conditions._smt, {f"{CPU}/smt/active": "0"}, "off", False, ""),
        (conditions._virtual, {"/proc/cpuinfo": "flags : fpu hypervisor lahf_lm"}, "a virtual machine", True, "real"),
        (conditions._virtual, {"/proc/cpuinfo": "flags : fpu lahf_lm"}, "none seen", False, ""),
    ],
)
def test_a_condition_and_the_command_that_cures_it(
    system: Fake,
    check: Callable[[], conditions.Finding],
    files: dict[str, str],
    state: str,
    disturbs: bool,
    cure: str,
) -> None:
    system(files)
    found = check()
    assert found.state.startswith(state)
    assert found.disturbs is disturbs
    assert cure in found.cure
    assert bool(found.cure) is disturbs


def test_a_quota_and_a_load_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "cgroup_quota", lambda: 1.5)
    assert conditions._quota().sentence == "cgroup quota: 1.5 CPUs, enforced by stopping the process"
    monkeypatch.setattr(conditions, "cgroup_quota", lambda: None)
    assert not conditions._quota().disturbs
    monkeypatch.setattr(conditions.os, "cpu_count", lambda: 4)
    for load, disturbs in ((0.9, False), (1.1, True)):
        monkeypatch.setattr(conditions.os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert conditions._load().disturbs is disturbs


def test_stolen_time_is_a_share_of_all_time(system: Fake) -> None:
    system({"/proc/stat": "cpu  100 0 100 700 0 0 0 100 0 0\n"})
    later = {"/proc/stat": "cpu  150 0 100 740 0 0 0 110 0 0\n"}
    assert conditions.steal_share(1.0, lambda _: system(later)) == pytest.approx(0.1)
    assert conditions.steal_finding(0.1).disturbs
    assert not conditions.steal_finding(0.001).disturbs
    system({})
    assert conditions.steal_share(1.0, lambda _: None) is None
    assert not conditions.steal_finding(None).disturbs


def test_looking_changes_nothing_on_this_machine() -> None:
    assert {finding.name for finding in conditions.machine_findings()} == {
        "governor",
        "turbo",
        "SMT",
        "cgroup quota",
        "virtualisation",
        "load",
    }
    source = Path(conditions.__file__).read_text(encoding="utf-8")
    assert "write" not in source
