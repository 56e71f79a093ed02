"""How it was measured, as a venue asks for it: from the manifest and the files. What is unknown is said to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench import __version__
from bench.analysis.packages import backends_in, packages_of
from bench.data.manifest import Manifest
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.oracle.truth import STEPS
from bench.oracle.verify import TF32_TOLERANCE, TOLERANCE
from bench.output.content.machine import one_line
from bench.output.content.notes import within
from bench.output.content.summary import Summary, folder_of
from bench.output.document import Code, Commands, Paragraph, Section, Words, joined, prose
from bench.output.names import spaced
from bench.output.provenance import as_command, digest
from bench.output.text import duration
from bench.stats.estimates import MIN_PROCESSES

if TYPE_CHECKING:
    from bench.output.figures import RunData


def section(data: RunData, summary: Summary) -> Section:
    """Return one paragraph for each subject."""
    texts = (
        _hardware(data),
        _software(data.manifest),
        _problem(summary),
        _procedure(data),
        _correctness(summary),
        _statistics(data),
        _provenance(data),
    )
    return Section("methods", "Methods", tuple(Paragraph(text) for text in texts))


def again(data: RunData, figures: Sequence[str]) -> Section:
    """Return the commands that draw it and measure it again."""
    manifest = data.manifest
    folder = folder_of(manifest)
    lines = [as_command(["bench", "plot", folder, "--figure", name, *data.options]) for name in figures]
    first = prose(
        "The run is a folder of plain files. All that is shown is made from them, and making it again gives the same "
        "bytes. With the folder at {}:",
        Code(folder),
    )
    second = prose(
        "To measure it again, install the revision and the packages named under Methods. On the same machine under the "
        "same load times should agree within their intervals; elsewhere they may differ by any factor:"
    )
    draw = (as_command(["bench", "report", folder, *data.options]), *lines)
    blocks = (Paragraph(first), Commands(draw), Paragraph(second), Commands((as_command(manifest.command),)))
    return Section("again", "Draw it or measure it again", blocks)


def _hardware(data: RunData) -> Words:
    machine, found = data.manifest.machine, data.manifest.disturbances
    parts = [prose("**Hardware.** {}.", one_line(data))]
    if machine.get("cores"):
        parts.append(prose("Physical cores: {}.", str(machine["cores"])))
    governor = machine.get("governor")
    parts.append(prose("The frequency governor {}.", f"was {governor}" if governor else "is not known"))
    if found:
        parts.append(prose("Found before measuring: {}.", "; ".join(found)))
    return joined(parts)


def _software(manifest: Manifest) -> Words:
    named = dict.fromkeys(name for backend in backends_in(manifest) for name in packages_of(manifest, backend))
    versions = [f"{name} {manifest.packages[name]}" for name in named if name in manifest.packages]
    python = manifest.machine.get("python")
    parts = [
        prose(
            "**Software.** Python {}, {}, stepbench {}.",
            "of unknown version" if python is None else str(python),
            ", ".join(versions) or "no framework of known version",
            manifest.stepbench,
        )
    ]
    if manifest.git_revision is None:
        parts.append(prose("The harness's git revision is not known."))
    else:
        revision = manifest.git_revision.removesuffix("-dirty")
        changed = "" if revision == manifest.git_revision else " with uncommitted changes"
        parts.append(prose("Git revision {}{}.", Code(revision), changed))
    if manifest.constraints_sha256:
        parts.append(prose("SHA-256 of the pinned versions: {}.", Code(manifest.constraints_sha256)))
    blas = manifest.facts.get("numpy", {}).get("blas")
    parts.append(prose("BLAS of NumPy: {}.", blas) if blas else prose("The BLAS of NumPy is not known."))
    for backend, found in manifest.facts.items():
        settings: list[Words] = [(Code(f"{name}={value}"),) for name, value in found.items() if name != "blas"]
        if settings:
            parts.append(prose("As reported by {}: {}.", backend, joined(settings, ", ")))
    return joined(parts)


def _problem(summary: Summary) -> Words:
    names = ", ".join(summary.workloads)
    parts = [prose("**Problem.** {} {}.", "Workload" if len(summary.workloads) == 1 else "Workloads", names)]
    if summary.shared:
        parts.append(prose("All cases: {}.", summary.shared))
    parts += [prose("{}: {}.", spaced(name), ", ".join(map(str, summary.values(name)))) for name in summary.differing]
    seed = str(summary.manifest.seed)
    parts.append(prose("Data, initial weights and the order of measuring are drawn from seed {}.", seed))
    return joined(parts)


def _procedure(data: RunData) -> Words:
    manifest, processes = data.manifest, data.processes
    parts = [
        prose(
            "**Procedure.** {} rounds in shuffled order, each case of a round in a fresh process: its first step, "
            "the check against the reference, warm-up until steady, then samples of whole steps in turn with "
            "samples of single phases.",
            str(manifest.rounds_done),
        )
    ]
    if len(processes):
        parts.append(prose("{} processes took {} samples in all.", str(len(processes)), str(len(data.samples))))
    warmup = processes["warmup_iterations"].dropna()
    if len(warmup):
        fewest, middle, most = (str(int(warmup.quantile(part))) for part in (0.0, 0.5, 1.0))
        parts.append(prose("Warm-up iterations, discarded: {} (from {} to {}).", middle, fewest, most))
    if manifest.process_seconds is not None:
        parts.append(prose("Each process sampled for about {}.", duration(manifest.process_seconds)))
    if manifest.rounds is not None:
        parts.append(prose("The number of rounds was fixed beforehand: {}.", str(manifest.rounds)))
    else:
        parts.append(
            prose(
                "After six rounds time went to the cases whose speedup was least certain, until each was known to "
                "within {} or {} had passed.",
                within(manifest.within),
                duration(manifest.budget_seconds),
            )
        )
    return joined(parts)


def _correctness(summary: Summary) -> Words:
    """Return the tolerances of the formats that the run has."""
    limits = []
    for dtype, precision in sorted({(row.case.problem.dtype, row.case.precision) for row in summary.measured}):
        tf32 = precision == Precision.TF32 and dtype == Dtype.FLOAT32
        limit = f"{TF32_TOLERANCE if tf32 else TOLERANCE[Dtype(dtype)]:.0e}".replace("e-0", "e-")
        limits.append(f"{limit} in {'TF32' if tf32 else dtype}")
    verified = all(row.verified for row in summary.measured)
    return prose(
        "**Correctness.** Before it was timed, each process had to agree in {} steps with a float64 reference "
        "written in NumPy: loss, every gradient that is exposed, and every parameter's change, by relative error in "
        "the Euclidean norm of at most {}, besides what rounding of parameters and units at the kink of ReLU leave "
        "undecided. {}",
        str(STEPS),
        " and ".join(limits),
        "All that is shown did." if verified else "Not all that is shown did: summary.csv tells which.",
    )


def _statistics(data: RunData) -> Words:
    later = "" if data.manifest.stepbench == __version__ else f" Described as of stepbench {__version__}."
    return prose(
        "**Statistics.** The unit of observation is a process, reduced to the median of its samples. A time is the "
        "median over processes; its 95 % interval is distribution-free, from interpolated order statistics "
        "(Hettmansperger and Sheather, Statistics & Probability Letters 4, 1986), and takes {} processes. A speedup "
        "is the median over rounds of the baseline's time over the contender's in the same round, with the interval "
        "of that ratio by the same method. Flagged samples are kept; rounds in which a device was throttled are "
        "left out.{}",
        str(MIN_PROCESSES),
        later,
    )


def _provenance(data: RunData) -> Words:
    manifest = data.manifest
    return prose(
        "**Provenance.** Run {}, begun {}. Measured by {}, drawn by {}. SHA-256 over the run's files: {}.",
        Code(manifest.run_id),
        manifest.created,
        Code(as_command(manifest.command)),
        Code(as_command(["bench", "report", folder_of(manifest), *data.options])),
        Code(digest(data.inputs)),
    )
