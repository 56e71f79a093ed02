"""The state of a device while it is measured, and when that state spoils a sample.

    throttled   the device held its clocks down: at its power limit, too hot, or told to by the power supply
    foreign     other processes hold memory on the device, so they may compute there as well

The words are flags of a sample, beside those of the kernel's counters: remarks, never a reason to delete.
"""

from __future__ import annotations

from dataclasses import dataclass

THROTTLED, FOREIGN = "throttled", "foreign"
FOREIGN_BYTES = 64 * 2**20
"""More than this in the hands of others is `foreign`. A process that computes holds hundreds of MiB for its context
alone; what stays below is a service that looks at the device."""


@dataclass(frozen=True)
class Condition:
    """One reading of a device. What the device or its driver does not tell is None, never 0."""

    sm_clock_mhz: int | None = None
    """Clock of the multiprocessors, now."""
    memory_clock_mhz: int | None = None
    max_sm_clock_mhz: int | None = None
    throttle: tuple[str, ...] = ()
    """Why the device holds its clocks down, now; empty if it does not, or if it does not tell."""
    power_watts: float | None = None
    """Power as the driver reports it: on recent devices a mean over the last second, not a moment's value."""
    temperature_celsius: float | None = None
    other_bytes: int | None = None
    """Device memory held by processes that compute there, this one left out."""
    energy_joules: float | None = None
    """All energy used since the driver was loaded; the difference of two readings is what lay between them."""
    mig: bool | None = None
    """Whether the GPU is divided into instances (MIG)."""
    persistence: bool | None = None
    """Whether the driver keeps the device awake when nobody uses it."""


def flags(before: Condition, after: Condition) -> str:
    """Return the flags that a sample between two readings has earned, separated by spaces.

    A state that came and went between the readings is not seen.
    """
    found = []
    if before.throttle or after.throttle:
        found.append(THROTTLED)
    if any(held is not None and held > FOREIGN_BYTES for held in (before.other_bytes, after.other_bytes)):
        found.append(FOREIGN)
    return " ".join(found)
