"""What a command does where another one measures on the same part of the machine already."""

from __future__ import annotations

from enum import StrEnum


class Sharing(StrEnum):
    """See `bench.run.leases`."""

    WAIT = "wait"
    REFUSE = "refuse"
    SHARE = "share"
