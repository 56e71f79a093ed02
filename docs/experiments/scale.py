"""What it costs to summarise and draw a large run: seconds and peak memory for 10^4, 10^5 and 10^6 samples.

    python docs/experiments/scale.py [--samples 1000000] [--keep FOLDER]

Each run is made anew with random times, then summarised and drawn in a fresh process, as `bench plot` does it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SIZES = (10_000, 100_000, 1_000_000)
PHASES = ("step", "forward", "backward", "update")
SAMPLES_A_PROCESS = 200
HIDDEN = (64, 128, 256, 512, 1024)

_DRAW = """
import json, resource, sys, time
from pathlib import Path
began = time.perf_counter()
from bench.data.store import RunStore, read_manifest
from bench.run.records import write_summary
folder = Path(sys.argv[1])
write_summary(RunStore(folder), read_manifest(folder))
summarised = time.perf_counter()
from bench.output.figures import draw
drawn = draw(folder)
print(json.dumps({"summary": summarised - began, "figures": time.perf_counter() - summarised, "files": len(drawn.paths),
    "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def main() -> None:
    """Make, draw and report each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="*", default=SIZES)
    parser.add_argument("--keep", type=Path, help="Leave the runs in this folder.")
    chosen = parser.parse_args()
    _say("| samples | summary | figures | together | peak memory |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        for count in chosen.samples:
            folder = (chosen.keep or Path(scratch)) / f"run-{count}"
            make_run(folder, count)
            found = measure(folder)
            together = found["summary"] + found["figures"]
            _say(
                f"| {count:,} | {found['summary']:.1f} s | {found['figures']:.1f} s ({found['files']} files) "
                f"| {together:.1f} s | {found['bytes'] / 1e9:.2f} GB |"
            )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def measure(folder: Path) -> dict[str, Any]:
    """Summarise and draw a run in a fresh process."""
    command = [sys.executable, "-c", _DRAW, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def make_run(folder: Path, count: int) -> None:
    """Make a run of `count` samples: five implementations at five sizes, processes of 200 samples."""
    from bench.data.manifest import Manifest, Peak
    from bench.data.schema import ProcessRow, SampleRow, Status, columns_of
    from bench.data.store import PROCESSES, SAMPLES, RunStore, to_csv
    from bench.model.axis import Axis
    from bench.model.discovery import discover
    from bench.run.plan import Selection, choose, plan_sweep, workload_facts

    names = ("numpy_manual", "tf_static_graph", "torch_tensor", "torch_autograd", "torch_custom_function")
    selection = Selection(choose(discover(), names), threads=(2,), devices=("cpu",))
    planned = plan_sweep(selection, [Axis("hidden", HIDDEN)])
    peak = {"device": "cpu", "dtype": "float32", "threads": 2, "precision": "full", "matmul_size": 1024}
    manifest = Manifest(
        run_id=folder.name,
        created="2026-01-01T00:00:00+00:00",
        stepbench="0",
        command=["bench", "sweep"],
        seed=0,
        budget_seconds=60.0,
        rounds=None,
        machine={"cpu": "none"},
        packages={},
        peaks=[Peak(**peak, backend="numpy", gflops=1e5, gigabytes_per_second=10.0, copy_bytes=1 << 26)],
        cases=[item.for_manifest() for item in planned],
        workloads=workload_facts(planned),
    )
    RunStore.create(folder, manifest)
    generator = np.random.default_rng(0)
    order = np.arange(count)
    process = order // SAMPLES_A_PROCESS
    which = process % len(planned)
    phase = order % SAMPLES_A_PROCESS % len(PHASES)
    level = np.array([1.0, 0.4, 0.4, 0.2])[phase] * (1e-4 + 1e-6 * np.repeat(HIDDEN, len(names))[which])
    samples = {
        "process": process,
        "turn": order % SAMPLES_A_PROCESS // len(PHASES),
        "phase": np.array(PHASES)[phase],
        "method": np.where(phase == 0, "whole", "staged"),
        "clock": "host",
        "iterations": 10,
        "seconds": 10 * level * generator.lognormal(0, 0.1, count),
        "variant": "",
        "flags": np.where(generator.random(count) < 0.1, "preempted", ""),
    }
    header = [column.name for column in columns_of(SampleRow)]
    pd.DataFrame(samples)[header].to_csv(folder / SAMPLES, index=False)
    rows = [
        ProcessRow(
            run_id=folder.name,
            case=planned[number % len(planned)].case,
            device_name="none",
            round=number // len(planned),
            process=number,
            status=Status.OK,
            verified=True,
        )
        for number in range(int(process[-1]) + 1)
    ]
    (folder / PROCESSES).write_text(to_csv(ProcessRow, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
