"""`bench gpu-proof`: does everything work on this GPU? One folder that can be committed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bench.options import LOAD
from bench.options.numeric import Duration
from bench.options.paths import NEW_FOLDER
from bench.output.streams import note


@click.command("gpu-proof")
@click.option("--device", default="cuda", show_default=True, metavar="cuda", help="The kind of device to prove.")
@LOAD
@click.option("--budget", type=Duration(), default="570s", show_default=True, help="Time for the whole proof.")
@click.option("--out", type=NEW_FOLDER, help="Folder of the proof.  [default: results/gpu-proof-...]")
def gpu_proof(device: str, load: tuple[Path, ...], budget: float, out: Path | None) -> None:
    """Prove on a GPU that everything works there: PASS, FAIL or SKIP a line, in under ten minutes.

    \b
      doctor            clocks, hold and doubling; each implementation equal to the truth, without waiting in a phase
      second clock      the device's events against the kernels that the framework's profiler saw: within 2 %
      A/A, planted 5 %  an unchanged step gets no REGRESSION, one that is 5 % slower does
      sweep             the size at which the device overtakes the CPU, with an interval
      programs          the nine programs, with speedups over the CPU
      on CUDA also      a small GPT eager, compiled and as a CUDA graph; precisions; modes; the tests marked `cuda`

    It runs in a checkout, with or without a network (docs/gpu.md says what to carry there), and with or without NVML.
    Each part is a process of its own; one that fails, hangs or no longer fits in --budget loses nothing but its own
    lines. The folder holds PROOF.md, the runs with their figures, and what each command said; it is under 16 MB.

    Exit status: 0 all lines PASS; 4 some FAIL; 3 some were not run; 5 none was run; 130 interrupted, and what was
    found is kept; 2 wrong use.
    """
    from bench.output.content.gpu_proof import proof_document
    from bench.output.outfile import write_output
    from bench.output.render.markdown import fragment
    from bench.run import gpu_plan
    from bench.run.gpu_proof import Proving
    from bench.run.plan import check_devices
    from bench.run.reading import read_all
    from bench.run.session import RESULTS, new_id

    read_all(load)
    check_devices([device])
    parts = gpu_plan.planned_parts(device, load, gpu_plan.EXTENT)
    folder = out or RESULTS / new_id(datetime.now(UTC), "gpu-proof")
    found = Proving(folder, budget, note).prove(parts)
    path = folder / "PROOF.md"
    write_output(path, fragment(proof_document(found, device, folder)))
    note(f"wrote {path}")
    sys.exit(found.exit_code)
