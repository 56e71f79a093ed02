"""Names of processors, kinds of their cores, and the CPU that a process is pinned to."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from bench.machine import processor
from bench.machine.processor import core_kind, cpu_model, cpu_name, fast_cpus, pinned_cpus, spans
from tests.machine.conftest import System

CPU = "/sys/devices/system/cpu"


def arm(*cores: tuple[str, str, str]) -> str:
    """What /proc/cpuinfo says of cores with an implementer, a part and a variant."""
    blocks = [
        f"processor\t: {number}\nBogoMIPS\t: 243.75\nCPU implementer\t: {maker}\nCPU architecture: 8\n"
        f"CPU variant\t: {variant}\nCPU part\t: {part}\nCPU revision\t: 1\n"
        for number, (maker, part, variant) in enumerate(cores)
    ]
    return "\n".join(blocks)


X86 = "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon\nstepping\t: 8\ncpu cores\t: 4\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (X86, "Xeon"),
        (arm(("0x41", "0xd0c", "0x3")), "Arm Neoverse N1 r3p1"),
        (arm(("0x41", "0xd40", "0x1"), ("0x41", "0xd40", "0x1")), "Arm Neoverse V1 r1p1"),
        (arm(("0x41", "0xd49", "0x0")), "Arm Neoverse N2 r0p1"),
        (arm(("0x41", "0xd4f", "0x0")), "Arm Neoverse V2 r0p1"),
        (arm(("0x41", "0xd05", "0x2"), ("0x41", "0xd0b", "0x4")), "Arm Cortex-A55 r2p1 + Arm Cortex-A76 r4p1"),
        (arm(("0x61", "0x022", "0x1"), ("0x61", "0x023", "0x1")), "Apple M1 r1p1"),
        (arm(("0xc0", "0xac3", "0x0")), "Ampere-1 r0p1"),
        (arm(("0x41", "0xfff", "0x0")), "Arm implementer 0x41, part 0xfff r0p1"),
        ("model name\t: ARMv7 Processor rev 4 (v7l)\n" + arm(("0x41", "0xd08", "0x0")), "Arm Cortex-A72 r0p1"),
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
        ("processor\t: 0\nisa\t\t: rv64imafdc\nuarch\t\t: sifive,u74-mc\n", "sifive,u74-mc"),
        ("processor\t: 0\nisa\t\t: rv64imafdcv\n", "rv64imafdcv"),
    ],
)
def test_a_processor_has_a_name_that_tells_it_from_others(system: System, text: str, name: str) -> None:
    assert cpu_name(system({"/proc/cpuinfo": text})) == name


def test_where_no_file_names_it_the_system_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert cpu_name(tmp_path) == "arm64"
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(processor.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0, "Apple M2\n"))
    assert cpu_name(tmp_path) == "Apple M2"


def test_a_name_that_many_share_has_numbers_beside_it(system: System) -> None:
    assert cpu_model(system({"/proc/cpuinfo": X86})) == "family 6, model 143, stepping 8"
    assert cpu_model(system({"/proc/cpuinfo": arm(("0x41", "0xd0c", "0x3"))})) is None


def clocks(*megahertz: int, file: str = "cpufreq/cpuinfo_max_freq") -> dict[str, str]:
    return {f"{CPU}/cpu{number}/{file}": f"{value}\n" for number, value in enumerate(megahertz)}


@pytest.mark.parametrize(
    ("files", "fast"),
    [
        ({}, {0, 1, 2, 3}),
        (clocks(3000, 3000, 3000, 3000), {0, 1, 2, 3}),
        (clocks(5200, 5200, 3900, 3900), {0, 1}),
        (clocks(5800, 5600, 5800, 5600), {0, 1, 2, 3}),  # favoured cores are no other kind
        (clocks(400, 400, 1024, 1024, file="cpu_capacity"), {2, 3}),
        ({"/sys/devices/cpu_core/cpus": "0,2-3\n", "/sys/devices/cpu_atom/cpus": "1\n"}, {0, 2, 3}),
    ],
)
def test_fast_cores_are_told_from_slow_ones(system: System, files: dict[str, str], fast: set[int]) -> None:
    root = system(files)
    assert fast_cpus(range(4), root) == fast
    assert pinned_cpus(1, range(4), root) == tuple(sorted(fast, reverse=True))


def test_processes_are_pinned_to_the_fast_cpus_that_they_may_use(system: System) -> None:
    root = system(clocks(5200, 5200, 5200, 3900, 3900))
    assert pinned_cpus(1, {0, 1, 3, 4}, root) == (1, 0)
    assert pinned_cpus(1, {3, 4}, root) == (4, 3), "there is no other"
    assert pinned_cpus(2, {0, 1}, root) == ()
    assert pinned_cpus(1, (), root) == (), "a system that cannot pin"
    assert [core_kind(cpu, root) for cpu in (1, 4, None)] == ["fast", "slow", ""]


def test_a_core_with_two_cpus_takes_one_process(system: System) -> None:
    files = {f"{CPU}/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}\n" for cpu in range(4)}
    assert pinned_cpus(1, range(4), system(files)) == (3, 2)


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", (3, 2, 1, 0)), ("250000 100000", (3, 2)), ("50000 100000", (3,))]
)
def test_a_quota_bounds_how_many_are_pinned(system: System, quota: str, cpus: tuple[int, ...]) -> None:
    root = system({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": f"{quota}\n"})
    assert pinned_cpus(1, range(4), root) == cpus


def test_cores_that_are_alike_have_no_kind(system: System) -> None:
    assert core_kind(1, system(clocks(3000, 3000))) == ""


def test_cpus_are_written_as_taskset_takes_them() -> None:
    assert spans({0, 1, 2, 5, 7, 8}) == "0-2,5,7-8"
    assert spans([]) == ""
