"""The cases of a run whose times may be compared: measured, verified and steady."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.summarise import rounds_of_cases
from bench.data.manifest import Manifest
from bench.data.schema import Status, SummaryRow, is_headline
from bench.model.case import Case
from bench.stats.estimates import Estimate, RoundKey, Turns, speedup_estimate


@dataclass(frozen=True)
class SoundCase:
    """A case with its times."""

    case: Case
    seconds: Estimate
    """The time of a whole step, as the summary has it."""
    rounds: Mapping[RoundKey, Turns]
    """Its whole steps by round and turn, in seconds."""

    def speedup_over(self, other: SoundCase) -> Estimate:
        """Return the other's time over this one's, from the rounds that both ran in.

        Without a common round it is the ratio of their times, which has no interval.
        """
        found = speedup_estimate(other.rounds, self.rounds)
        return found or Estimate(other.seconds.value / self.seconds.value)


def sound_cases(
    manifest: Manifest, rows: Sequence[SummaryRow], samples: pd.DataFrame, processes: pd.DataFrame
) -> tuple[dict[Case, SoundCase], list[Case]]:
    """List the sound cases of a run in the order of its summary, and those that were tried and are not.

    Args:
        manifest: the run's.
        rows: its summary.
        samples: a frame with the columns of `SampleRow`.
        processes: a frame with the columns of `ProcessRow`.
    """
    rounds = rounds_of_cases(manifest, rows, samples, processes)
    found, others = {}, []
    for row in rows:
        if not is_headline(row) or row.status is Status.SKIPPED:
            continue
        if row.verified and row.case in rounds and row.median_seconds:
            seconds = Estimate(row.median_seconds, row.low_seconds, row.high_seconds)
            found[row.case] = SoundCase(row.case, seconds, rounds[row.case])
        else:
            others.append(row.case)
    return found, others
