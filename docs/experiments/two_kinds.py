"""Why the processes of one NumPy program came in two kinds: where its arrays begin in a line of the cache.

    python docs/experiments/two_kinds.py

`w -= t` on 400 kB after `x @ w` by one thread and by two, with `w` and `t` at several distances from a line of the
cache. Prints microseconds, medians of 150 updates.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

DISTANCES = (0, 16, 32, 48)


def main() -> None:
    """Measure in a fresh process for each number of threads: a pool's size is settled when NumPy is imported."""
    for threads in (1, 2):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
        print(f"{threads} threads; t {', '.join(map(str, DISTANCES))} bytes after a line", flush=True)  # noqa: T201
        subprocess.run([sys.executable, __file__, "measure"], env=environment, check=True)  # noqa: S603 - this file


def measure() -> None:
    """Time the update for each place of both arrays."""
    import numpy as np

    def at(distance: int, rows: int, columns: int) -> np.ndarray:
        room = np.empty(4 * rows * columns + 8192, dtype=np.uint8)
        start = -room.__array_interface__["data"][0] % 4096 + distance
        found = room[start : start + 4 * rows * columns].view(np.float32).reshape(rows, columns)
        found[...] = np.random.default_rng(0).normal(size=found.shape)
        return found

    x, gradient = at(0, 64, 1000), np.ones((64, 100), np.float32)
    for of_w in DISTANCES:
        row = []
        for of_t in DISTANCES:
            w, t, times = at(of_w, 1000, 100), at(of_t, 1000, 100), []
            for _ in range(150):
                x @ w  # every core has lines of w now
                np.multiply(1e-9, x.T @ gradient, out=t)
                start = time.perf_counter_ns()
                np.subtract(w, t, out=w)
                times.append(time.perf_counter_ns() - start)
            row.append(f"{statistics.median(times) / 1e3:4.0f}")
        print(f"  w {of_w:2} bytes after a line: {' '.join(row)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        measure()
    else:
        main()
