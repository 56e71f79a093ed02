"""The methods of a run, as a venue asks for them: from the manifest and the files. What is unknown is said to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench import __version__
from bench.analysis.packages import backends_in, packages_of
from bench.data.manifest import Manifest
from bench.model.precision import Precision
from bench.oracle.edges import tolerance
from bench.oracle.truth import STEPS
from bench.output.content.machine import one_line
from bench.output.content.notes import within
from bench.output.content.summary import Summary, folder_of
from bench.output.document import Code, Commands, Section, Words, joined, prose
from bench.output.names import spaced
from bench.output.provenance import as_command, digest
from bench.output.text import duration
from bench.stats.estimates import MIN_PROCESSES

if TYPE_CHECKING:
    from bench.output.figures import RunData


def section(data: RunData, summary: Summary) -> Section:
    """Return one paragraph for each subject."""
    texts = (
        joined(_hardware(data)),
        joined(_software(data.manifest)),
        joined(_problem(summary)),
        joined(_procedure(data)),
        _correctness(summary),
        _statistics(data),
        _provenance(data),
    )
    return Section("methods", "Methods", texts)


def again(data: RunData, figures: Sequence[str]) -> Section:
    """Return the commands that draw it and measure it again."""
    folder = folder_of(data.manifest)
    plots = [["bench", "plot", folder, "--figure", name, *data.options] for name in figures]
    first = prose(
        "The run is a folder of plain files. All that is shown is made from them, and making it again gives the same "
        "bytes. With the folder at {}:",
        Code(folder),
    )
    second = prose(
        "To measure it again, install the revision and the packages named under Methods. On the same machine under the "
        "same load times should agree within their intervals; elsewhere they may differ by any factor:"
    )
    draw = Commands(tuple(map(as_command, (["bench", "report", folder, *data.options], *plots))))
    measure = Commands((as_command(data.manifest.command),))
    return Section("again", "Draw it or measure it again", (first, draw, second, measure))


def _told(template: str, value: object, otherwise: str = "") -> Words:
    """Return a sentence about a value, or what is said where it is unknown."""
    return prose(template, value) if value else prose(otherwise)


def _hardware(data: RunData) -> list[Words]:
    machine = data.manifest.machine
    return [
        prose("**Hardware.** {}.", one_line(data)),
        _told("Physical cores: {}.", machine.get("cores")),
        _told("The frequency governor was {}.", machine.get("governor"), "The frequency governor is not known."),
        _told("Found before measuring: {}.", "; ".join(data.manifest.disturbances)),
    ]


def _software(manifest: Manifest) -> list[Words]:
    named = dict.fromkeys(name for backend in backends_in(manifest) for name in packages_of(manifest, backend))
    versions = ", ".join(f"{name} {manifest.packages[name]}" for name in named if name in manifest.packages)
    python = manifest.machine.get("python") or "of unknown version"
    known = versions or "no framework of known version"
    revision = manifest.git_revision or ""
    changed = " with uncommitted changes" if revision.endswith("-dirty") else ""
    code = (Code(revision.removesuffix("-dirty")), changed) if revision else ()
    settings = {
        backend: joined(((Code(f"{name}={value}"),) for name, value in found.items() if name != "blas"), ", ")
        for backend, found in manifest.facts.items()
    }
    return [
        prose("**Software.** Python {}, {}, stepbench {}.", python, known, manifest.stepbench),
        _told("Git revision {}.", code, "The harness's git revision is not known."),
        _told("SHA-256 of the pinned versions: {}.", manifest.constraints_sha256 and Code(manifest.constraints_sha256)),
        _told("BLAS of NumPy: {}.", manifest.facts.get("numpy", {}).get("blas"), "The BLAS of NumPy is not known."),
        *(prose("As reported by {}: {}.", backend, found) for backend, found in settings.items() if found),
    ]


def _problem(summary: Summary) -> list[Words]:
    word = "Workload" if len(summary.workloads) == 1 else "Workloads"
    return [
        prose("**Problem.** {} {}.", word, ", ".join(summary.workloads)),
        _told("All cases: {}.", summary.shared),
        *(prose("{}: {}.", spaced(name), ", ".join(map(str, summary.values(name)))) for name in summary.differing),
        prose("Data, initial weights and the order of measuring are drawn from seed {}.", summary.manifest.seed),
    ]


def _procedure(data: RunData) -> list[Words]:
    manifest, processes = data.manifest, data.processes
    parts = [
        prose(
            "**Procedure.** {} rounds in shuffled order, each case of a round in a fresh process: its first step, "
            "the check against the reference, warm-up until steady, then samples of whole steps in turn with "
            "samples of single phases.",
            manifest.rounds_done,
        )
    ]
    if len(processes):
        parts.append(prose("{} processes took {} samples in all.", len(processes), len(data.samples)))
    warmup = processes["warmup_iterations"].dropna()
    if len(warmup):
        fewest, middle, most = (int(warmup.quantile(part)) for part in (0.0, 0.5, 1.0))
        parts.append(prose("Warm-up iterations, discarded: {} (from {} to {}).", middle, fewest, most))
    if manifest.process_seconds is not None:
        parts.append(prose("Each process sampled for about {}.", duration(manifest.process_seconds)))
    if manifest.rounds is not None:
        return [*parts, prose("The number of rounds was fixed beforehand: {}.", manifest.rounds)]
    text = (
        "After six rounds time went to the cases whose speedup was least certain, until each was known to within {} or "
        "{} had passed."
    )
    return [*parts, prose(text, within(manifest.within), duration(manifest.budget_seconds))]


def _correctness(summary: Summary) -> Words:
    """Return what the steps were compared with, and the tolerances of the formats that the run has."""
    facts = summary.manifest.workloads
    told = [row for row in summary.measured if facts[row.case.workload].reference]
    formats = sorted({(row.case.problem.dtype, row.case.precision) for row in told})
    limits = [
        f"{tolerance(dtype, precision):.0e} in {dtype if precision is Precision.FULL else precision.value.upper()}"
        for dtype, precision in formats
    ]
    parts = [
        prose(
            "**Correctness.** Before and after it was timed, each process had to agree in {} steps with a float64 run: "
            "in its loss, every gradient that is exposed, and every parameter's change.",
            str(STEPS),
        )
    ]
    if limits:
        parts.append(
            prose(
                "Where that is a reference written in NumPy, by relative error in the Euclidean norm of at most {}, "
                "besides what rounding of parameters and units at the kink of ReLU leave undecided.",
                " and ".join(limits).replace("e-0", "e-"),
            )
        )
    if len(told) < len(summary.measured):
        parts.append(
            prose(
                "Elsewhere, within what runs of the baseline in the working precision, with noise in the last bits of "
                "parameters and inputs, show to be rounding."
            )
        )
    unsure = [(name, item.unverified) for name, item in facts.items() if item.unverified]
    parts += [prose("{} was not verified: {}.", name, reason) for name, reason in unsure]
    verified = all(row.verified for row in summary.measured)
    parts.append(prose("All that is shown did." if verified else "Not all that is shown did: summary.csv tells which."))
    return joined(parts)


def _statistics(data: RunData) -> Words:
    later = "" if data.manifest.stepbench == __version__ else f" Described as of stepbench {__version__}."
    return prose(
        "**Statistics.** The unit of observation is a process, reduced to the median of its samples. A time is the "
        "median over processes; its 95 % interval is distribution-free, from interpolated order statistics "
        "(Hettmansperger and Sheather, Statistics & Probability Letters 4, 1986), and takes {} processes. A speedup "
        "is the median over rounds of the baseline's time over the contender's in the same round, with the interval "
        "of that ratio by the same method. Flagged samples are kept; rounds in which a device was throttled are "
        "left out.{}",
        MIN_PROCESSES,
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
