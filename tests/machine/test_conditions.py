from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.backends.nvidia import SLOWING
from bench.machine import conditions
from bench.model.condition import FOREIGN_BYTES, Condition

Fake = Callable[[dict[str, str]], None]


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Pretend that the kernel's files have this content."""

    def pretend(files: dict[str, str]) -> None:
        monkeypatch.setattr(conditions, "content", lambda path: files.get(str(path)))

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
    pretended: Fake,
    check: Callable[[], conditions.Finding],
    files: dict[str, str],
    state: str,
    disturbs: bool,
    cure: str,
) -> None:
    pretended(files)
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


def test_stolen_time_is_a_share_of_all_time(pretended: Fake) -> None:
    pretended({"/proc/stat": "cpu  100 0 100 700 0 0 0 100 0 0\n"})
    later = {"/proc/stat": "cpu  150 0 100 740 0 0 0 110 0 0\n"}
    assert conditions.steal_share(1.0, lambda _: pretended(later)) == pytest.approx(0.1)
    assert conditions.steal_finding(0.1).disturbs
    assert not conditions.steal_finding(0.001).disturbs
    pretended({})
    assert conditions.steal_share(1.0, lambda _: None) is None
    assert not conditions.steal_finding(None).disturbs


def test_cores_of_two_kinds_disturb_what_may_land_on_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "fast_cpus", lambda cpus: set(cpus) & {0, 1, 2, 3})
    monkeypatch.setattr(conditions, "affinity", lambda: set(range(6)))
    found = conditions._cores()
    assert found.sentence == "cores: CPUs 0-3 are fast and 4-5 slow: a process that is not pinned may land on either"
    assert (found.disturbs, found.cure) == (True, "taskset --cpu-list 0-3 bench ...")
    for usable, state in (({0, 1}, "all alike, as far as the system tells"), ({4, 5}, "slow ones only")):
        monkeypatch.setattr(conditions, "affinity", lambda usable=usable: usable)
        assert conditions._cores() == conditions.Finding("cores", state, False)


def test_variables_that_change_results_or_speed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"CUDA_LAUNCH_BLOCKING": "1", "OMP_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "Haswell"}
    monkeypatch.setattr(conditions, "variables", lambda: found)
    launches, kernels = conditions._variables()
    assert launches.sentence == "CUDA_LAUNCH_BLOCKING: 1: changes when a launch returns: once the GPU is done"
    assert (kernels.name, kernels.disturbs) == ("OPENBLAS_CORETYPE", True)
    assert kernels.cure == "unset OPENBLAS_CORETYPE, unless it is meant"
    monkeypatch.setattr(conditions, "variables", lambda: {"OMP_NUM_THREADS": "2"})
    assert conditions._variables() == [conditions.Finding("variables", "none that change results or speed", False)]


def test_looking_changes_nothing_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "variables", dict)
    assert {finding.name for finding in conditions.machine_findings()} == {
        "governor",
        "turbo",
        "SMT",
        "cores",
        "cgroup quota",
        "virtualisation",
        "load",
        "variables",
    }
    source = Path(conditions.__file__).read_text(encoding="utf-8")
    assert "write" not in source


GPU = Condition(
    sm_clock_mhz=1980,
    max_sm_clock_mhz=1980,
    power_watts=120.0,
    temperature_celsius=80.0,
    other_bytes=0,
    mig=False,
    persistence=True,
)
GPU_NAMES = [
    "GPU persistence",
    "GPU clock",
    "GPU throttling",
    "GPU memory of others",
    "GPU instances (MIG)",
    "GPU temperature",
]


def test_a_gpu_in_good_order_disturbs_nothing() -> None:
    found = conditions.gpu_findings(GPU, None)
    assert [finding.name for finding in found] == GPU_NAMES
    assert not any(finding.disturbs or finding.cure for finding in found)


@pytest.mark.parametrize(
    ("change", "name", "state", "cure"),
    [
        ({"persistence": False}, "GPU persistence", "off", "sudo nvidia-smi -pm 1"),
        ({"sm_clock_mhz": 345}, "GPU clock", "345 MHz of 1980 MHz", "sudo nvidia-smi --lock-gpu-clocks="),
        ({"throttle": ("power cap",)}, "GPU throttling", "power cap", "--power-limit="),
        ({"throttle": ("thermal", "hardware thermal")}, "GPU throttling", "thermal, hardware thermal", "let it cool"),
        ({"throttle": ("power brake",)}, "GPU throttling", "power brake", "power supply"),
        ({"other_bytes": 300 * 2**20}, "GPU memory of others", "300 MiB", "`nvidia-smi` shows whose it is"),
        ({"mig": True}, "GPU instances (MIG)", "on: what is measured is a part of the GPU", "nvidia-smi -mig 0"),
        ({"temperature_celsius": 81.0}, "GPU temperature", "81 C", "let it cool"),
    ],
)
def test_what_disturbs_on_a_gpu_and_what_cures_it(change: dict[str, Any], name: str, state: str, cure: str) -> None:
    found = conditions.gpu_findings(dataclasses.replace(GPU, **change), None)
    (disturbing,) = [finding for finding in found if finding.disturbs]
    assert disturbing.name == name
    assert disturbing.state.startswith(state)
    assert cure in disturbing.cure
    assert [finding.name for finding in found if finding.cure] == [name]


def test_one_cure_is_named_once() -> None:
    both = dataclasses.replace(GPU, throttle=("thermal", "hardware thermal", "power cap"))
    cure = next(finding.cure for finding in conditions.gpu_findings(both, None) if finding.name == "GPU throttling")
    assert cure.count("let it cool") == cure.count("--power-limit=") == 1


def test_every_reason_that_has_its_own_cure_is_one_that_is_read() -> None:
    assert set(conditions._THROTTLE_CURES) < set(SLOWING.values())


def test_a_little_memory_of_others_is_shown_and_does_not_disturb() -> None:
    held = dataclasses.replace(GPU, other_bytes=FOREIGN_BYTES)
    assert "GPU memory of others: 64 MiB" in [finding.sentence for finding in conditions.gpu_findings(held, None)]
    assert not any(finding.disturbs for finding in conditions.gpu_findings(held, None))


def test_what_a_gpu_does_not_tell_is_not_visible() -> None:
    found = conditions.gpu_findings(Condition(), None)
    states = {finding.name: finding.state for finding in found}
    assert states == dict.fromkeys(GPU_NAMES, "not visible") | {"GPU throttling": "none seen"}
    assert not any(finding.disturbs or finding.cure for finding in found)


def test_no_gpu_is_one_line_with_its_reason() -> None:
    (absent,) = conditions.gpu_findings(None, "no CUDA device: no NVIDIA driver is installed")
    assert absent.sentence == "GPU: no CUDA device: no NVIDIA driver is installed"
    assert not absent.disturbs
    (silent,) = conditions.gpu_findings(None, None)
    assert silent == conditions.Finding("GPU", "there is one, but its driver does not tell its condition", False)
