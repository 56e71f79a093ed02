from __future__ import annotations

import pandas as pd
import pytest

from bench.analysis.invalid import throttled_rounds


@pytest.mark.parametrize(
    ("rounds", "throttled", "expected"),
    [
        ([0, 0, 1, 1], ["", "", "", ""], set()),
        ([0, 0, 1, 1], ["", "thermal", "", ""], {0}),
        ([0, 1, 2, 2], ["power cap", "", "for a while", ""], {0, 2}),
        ([0, 0, 1, 1], ["thermal", "", "", "thermal"], set()),  # a doubtful result is better than none
        ([4], ["thermal"], set()),
        ([], [], set()),
    ],
)
def test_a_round_counts_unless_a_device_was_throttled_in_it(
    rounds: list[int], throttled: list[str], expected: set[int]
) -> None:
    frame = pd.DataFrame({"round": pd.array(rounds, dtype="Int64"), "throttled": pd.array(throttled, dtype="str")})
    assert throttled_rounds(frame) == expected
