from __future__ import annotations

import pytest

from bench.machine.identity import Machine, identity, machine_of

GIB = 2**30
FACTS = {"cpu": "A", "cpus_usable": 2, "memory_bytes": 8 * GIB, "python": "3.12.1"}


@pytest.mark.parametrize(
    ("change", "machine_differs", "identity_differs"),
    [
        ({"cpu": "B"}, True, True),
        ({"cpus_usable": 4}, True, True),
        ({"memory_bytes": 9 * GIB}, True, True),
        ({"memory_bytes": 8 * GIB - 5_000_000}, False, False),
        ({"python": "3.13.0"}, False, True),
        ({"load_1min": 3.0, "system": "Linux 7", "governor": "powersave"}, False, False),
    ],
)
def test_the_facts_that_count(change: dict[str, object], machine_differs: bool, identity_differs: bool) -> None:
    assert (machine_of(FACTS | change) != machine_of(FACTS)) == machine_differs
    assert (identity(FACTS | change) != identity(FACTS)) == identity_differs


def test_what_a_machine_does_not_tell_is_unknown() -> None:
    assert machine_of({}) == Machine(None, None, None)
    assert identity({}) == dict.fromkeys(("cpu", "cpus_usable", "memory_gib", "python"))
    assert str(machine_of({})) == "unknown processor, ? CPUs, ? GiB"
    assert str(Machine("X", 1, 8)) == "X, 1 CPU, 8 GiB"
