from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from pydantic import TypeAdapter

from bench.model.condition import FOREIGN, FOREIGN_BYTES, THROTTLED, Condition, flags

HOT = Condition(throttle=("thermal",))
SHARED = Condition(other_bytes=FOREIGN_BYTES + 1)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Condition(), Condition(), ""),
        (HOT, Condition(), THROTTLED),
        (Condition(), HOT, THROTTLED),
        (SHARED, Condition(), FOREIGN),
        (Condition(), SHARED, FOREIGN),
        (HOT, SHARED, "throttled foreign"),
        (SHARED, HOT, "throttled foreign"),
        (Condition(other_bytes=0), Condition(other_bytes=FOREIGN_BYTES), ""),
        (Condition(temperature_celsius=95, power_watts=700), Condition(mig=True, persistence=False), ""),
    ],
)
def test_a_state_on_either_side_of_a_sample_flags_it(before: Condition, after: Condition, expected: str) -> None:
    assert flags(before, after) == expected


def test_what_is_not_told_is_none_and_never_zero() -> None:
    unknown = dataclasses.asdict(Condition())
    assert unknown.pop("throttle") == ()
    assert set(unknown.values()) == {None}


def test_a_condition_survives_a_file() -> None:
    condition = Condition(1980, 2619, 1980, ("power cap",), 698.5, 61.0, 0, 1234.5, False, True)
    adapter = TypeAdapter(Condition)
    assert adapter.validate_json(adapter.dump_json(condition)) == condition
    assert adapter.validate_json(adapter.dump_json(Condition())) == Condition()


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; import bench.model.condition, bench.backends.nvidia;"
        "print(*({'torch', 'tensorflow', 'numpy', 'pydantic', 'pynvml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
