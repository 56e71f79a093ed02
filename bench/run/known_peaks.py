"""What the devices of a run can do at most: measured before the first round, and again before a refusal rests on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.data.manifest import Manifest, Peak
from bench.run.asking import Asks, ask_device
from bench.run.plan import Planned
from bench.timing.protocol import Task


class KnownPeaks:
    """The peaks in a manifest: one for each backend, number of threads, format and precision."""

    def __init__(self, asks: Asks, manifest: Manifest, told: Callable[[str], object]) -> None:
        """Prepare; `told` is told the backend before its peak is measured."""
        self._asks, self._manifest, self._told = asks, manifest, told

    def measure(self, items: Iterable[Planned]) -> None:
        """Measure the peaks that the cases need and that are not known yet."""
        known = {_key(peak) for peak in self._manifest.peaks}
        for item in items:
            if (key := key_of(item)) not in known:
                known.add(key)
                # A device without a ceiling has no fraction of it; its cases say what is wrong with it.
                if (peak := self._ask(item)) is not None:
                    self._manifest.peaks.append(peak)

    def raised(self, items: Iterable[Planned]) -> bool:
        """Measure the peaks of these cases once more and keep the higher ones; say whether one rose.

        On a starved machine a peak comes out far too low, and then a right step seems to be impossibly fast.
        """
        found = [self._ask(item) for item in {key_of(item): item for item in items}.values()]
        return keep_highest(self._manifest, [peak for peak in found if peak is not None], only_known=True)

    def _ask(self, item: Planned) -> Peak | None:
        case = item.case
        self._told(item.backend.name)
        peaks = ask_device(self._asks, item, Task.PEAKS, self._manifest.timeout_seconds).peaks
        if peaks is None:
            return None
        return Peak(
            backend=case.backend,
            device=case.device,
            dtype=case.problem.dtype.value,
            threads=case.threads,
            precision=case.precision.value,
            gflops=peaks.flops_per_second / 1e9,
            matmul_size=peaks.matmul_size,
            gigabytes_per_second=peaks.bytes_per_second / 1e9,
            copy_bytes=peaks.copy_bytes,
        )


def keep_highest(manifest: Manifest, peaks: Iterable[Peak], only_known: bool = False) -> bool:
    """Put peaks into a manifest where they are higher than what stands there; say whether one rose.

    Args:
        manifest: the run's.
        peaks: what was measured.
        only_known: whether those that are not known yet are left out.
    """
    rose, places = False, {_key(peak): index for index, peak in enumerate(manifest.peaks)}
    for now in peaks:
        if (index := places.get(_key(now))) is None:
            if not only_known:
                places[_key(now)] = len(manifest.peaks)
                manifest.peaks.append(now)
        elif now.gflops > (before := manifest.peaks[index]).gflops:
            faster = max(before.gigabytes_per_second, now.gigabytes_per_second)
            manifest.peaks[index] = now.model_copy(update={"gigabytes_per_second": faster})
            rose = True
    return rose


def _key(peak: Peak) -> tuple[str, int, str, str]:
    return peak.backend, peak.threads, peak.dtype, peak.precision


def key_of(item: Planned) -> tuple[str, int, str, str]:
    """Return what cases must share to have one peak: backend, threads, number format and precision."""
    case = item.case
    return case.backend, case.threads, case.problem.dtype.value, case.precision.value
