"""The methods of a run, as a venue asks for them: from the manifest and the files. What is unknown is said to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench import __version__
from bench.analysis.packages import backends_in, packages_of
from bench.data.manifest import Manifest
from bench.model.precision import Precision
from bench.oracle.edges import tolerance
from bench.oracle.truth import STEPS
from bench.output.content.machine import one_line
from bench.output.content.notes import within
from bench.output.content.passages import passages
from bench.output.content.summary import Summary, folder_of
from bench.output.document import Code, Commands, Section, joined, prose
from bench.output.names import spaced
from bench.output.provenance import as_command, digest
from bench.output.text import duration
from bench.stats.estimates import MIN_PROCESSES

if TYPE_CHECKING:
    from bench.output.figures import RunData


def section(data: RunData, summary: Summary) -> Section:
    """Return one paragraph for each subject."""
    manifest, warmup = data.manifest, data.processes["warmup_iterations"].dropna()
    values: dict[str, Any] = {
        "hardware": one_line(data),
        "processes": len(data.processes),
        "samples": len(data.samples) if data.has_samples else None,
        "warmup": [int(warmup.quantile(part)) for part in (0.0, 0.5, 1.0)] if len(warmup) else [],
        "steps": STEPS,
        "verified": all(row.verified for row in summary.measured),
        "fewest": MIN_PROCESSES,
        "version": __version__,
        "measured": as_command(manifest.command),
        "drawn": as_command(["bench", "report", folder_of(manifest), *data.options]),
        "digest": digest(data.inputs),
        **_software(manifest),
        **_truth(summary),
    }
    functions = {"duration": duration, "spaced": spaced, "within": within}
    texts = passages("methods.txt", manifest=manifest, machine=manifest.machine, summary=summary, **values, **functions)
    return Section("methods", "Methods", texts)


def _software(manifest: Manifest) -> dict[str, Any]:
    """Return the revision, and what the packages and settings were that decide times."""
    named = dict.fromkeys(name for backend in backends_in(manifest) for name in packages_of(manifest, backend))
    return {
        "versions": ", ".join(f"{name} {manifest.packages[name]}" for name in named if name in manifest.packages),
        "revision": manifest.git_revision or "",
        "blas": manifest.facts.get("numpy", {}).get("blas"),
        "settings": {
            backend: joined(((Code(f"{name}={value}"),) for name, value in found.items() if name != "blas"), ", ")
            for backend, found in manifest.facts.items()
        },
    }


def _truth(summary: Summary) -> dict[str, Any]:
    """Return the tolerances of cases with a reference, by format, and whether there are cases without one."""
    facts = summary.manifest.workloads
    told = [row for row in summary.measured if facts[row.case.workload].reference]
    limits = [
        f"{tolerance(dtype, precision):.0e} in {dtype if precision is Precision.FULL else precision.value.upper()}"
        for dtype, precision in sorted({(row.case.problem.dtype, row.case.precision) for row in told})
    ]
    return {
        "limits": [text.replace("e-0", "e-") for text in limits],
        "perturbed": len(told) < len(summary.measured),
    }


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
