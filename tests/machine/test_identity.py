from __future__ import annotations

import pytest

from bench.machine.identity import NO_LIMIT, Machine, distinct, identity, machine_of, same, told

GIB = 2**30
FACTS = {
    "cpu": "A",
    "cpu_model": "family 6, model 143, stepping 8",
    "cpus": 8,
    "cpus_usable": 8,
    "cpus_fast": 8,
    "cgroup_cpus": None,
    "memory_bytes": 8 * GIB,
    "python": "3.12.1",
    "blas": "openblas 0.3.31",
    "blas_kernels": "SkylakeX",
}


def differing(change: dict[str, object]) -> list[str]:
    here, there = identity(FACTS), identity(FACTS | change)
    return [name for name in here if not same(name, here[name], there[name])]


@pytest.mark.parametrize(
    ("change", "machine_differs", "names"),
    [
        ({"cpu": "B"}, True, ["cpu"]),
        ({"cpu_model": "family 6, model 207, stepping 2"}, True, ["cpu_model"]),
        ({"cpus": 16}, True, ["cpus"]),
        ({"cgroup_cpus": 2.0}, True, ["cgroup_cpus"]),
        ({"memory_bytes": 9 * GIB}, True, ["memory_gib"]),
        ({"memory_bytes": 8 * GIB - 20_000_000}, False, []),
        ({"cpus_usable": 4, "cpus_fast": 2}, False, ["cpus_usable", "cpus_fast"]),
        ({"python": "3.13.0"}, False, ["python"]),
        ({"blas": "mkl 2024.0"}, False, ["blas"]),
        ({"blas_kernels": "Haswell"}, False, ["blas_kernels"]),
        ({"load_1min": 3.0, "system": "Linux 7", "governor": "powersave"}, False, []),
    ],
)
def test_the_facts_that_count(change: dict[str, object], machine_differs: bool, names: list[str]) -> None:
    assert (machine_of(FACTS | change) != machine_of(FACTS)) == machine_differs
    assert differing(change) == names


@pytest.mark.parametrize("gib", [(15.51, 15.49), (62.99, 63.01), (3.5, 3.4)])
def test_what_a_kernel_keeps_of_its_memory_makes_no_other_machine(gib: tuple[float, float]) -> None:
    one, other = (machine_of(FACTS | {"memory_bytes": round(each * GIB)}) for each in gib)
    assert one == other


@pytest.mark.parametrize("name", sorted(FACTS))
def test_what_a_run_does_not_record_is_unknown_and_no_difference(name: str) -> None:
    rest = {key: value for key, value in FACTS.items() if key != name}
    assert machine_of(rest) == machine_of(FACTS)
    assert [key for key, value in identity(rest).items() if value is None] == [
        name.replace("memory_bytes", "memory_gib")
    ]


def test_no_quota_is_known_and_no_fact_is_not() -> None:
    assert identity(FACTS)["cgroup_cpus"] == told("cgroup_cpus", NO_LIMIT) == "no limit"
    assert told("cgroup_cpus", 1.5) == "1.5"
    assert told("cgroup_cpus", None) == told("cpu", None) == "unknown"
    assert told("cpu", "aarch64") == "unknown (aarch64)"


def test_machines_are_listed_once_and_one_that_tells_less_joins_another() -> None:
    less = Machine("A", cpus=8)
    siblings = [Machine("A", "model 1", 8), Machine("A", "model 2", 8)]
    assert distinct([less, *siblings, siblings[1], Machine("B")]) == [*siblings, Machine("B")]
    assert [str(machine.cpu_model) for machine in distinct([less, *siblings])] == ["model 1", "model 2"]


def test_what_a_machine_does_not_tell_is_unknown() -> None:
    assert machine_of({}) == Machine(None)
    assert set(identity({}).values()) == {None}
    assert str(machine_of({})) == "unknown processor, ? CPUs, ? GiB"
    assert str(machine_of({"cpu": "aarch64", "cpus": 4})) == "unknown processor (aarch64), 4 CPUs, ? GiB"
    assert str(Machine("X", cpus=1, memory_gib=7.6)) == "X, 1 CPU, 8 GiB"
    assert str(Machine("X", cpus=8, cgroup_cpus=2.5, memory_gib=8)) == "X, 8 CPUs, 2.5 of them allowed, 8 GiB"
    assert Machine("X") != "X"


@pytest.mark.parametrize("value", ["many", float("inf"), float("nan"), 10**400])
def test_a_manifest_may_hold_anything(value: object) -> None:
    assert identity({"memory_bytes": value, "cgroup_cpus": value})["memory_gib"] is None
    assert identity({"cgroup_cpus": value})["cgroup_cpus"] is None
