"""Tables of cases: one row a case, and columns that are asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.data.column import columns_of
from bench.data.schema import DEVICE, FIRST_STEP, HOST, STEP, Method, SummaryRow
from bench.data.store import SUMMARY
from bench.model.step import STAGES
from bench.output import text as write
from bench.output.content.summary import Summary, is_baseline
from bench.output.document import Cell, Head, Raw, Row, Table, Words, grouped

_COLUMNS = {column.name: column for column in columns_of(SummaryRow)}


@dataclass(frozen=True)
class _Shown:
    """A column, with the cells of summary.csv that it shows."""

    header: str
    fields: tuple[str, ...]
    text: Callable[..., str]
    spare: int = 0
    """How soon a narrow terminal leaves it out; see `Head`."""
    phase: str = STEP
    clock: str = HOST

    @property
    def doc(self) -> str:
        """Its meaning, by the columns of summary.csv."""
        if len(self.fields) > 1:
            return f"From {' to '.join(f'`{name}`' for name in self.fields)} of summary.csv."
        row = "" if self.phase == STEP else f"In the row of {self.phase}: "
        clock = "" if self.clock == HOST else f"By the clock of the {self.clock}: "
        return f"{row}{clock}{_COLUMNS[self.fields[0]].doc}"

    @property
    def source(self) -> str:
        """Where its values stand."""
        prefix = ("" if self.clock == HOST else f"{self.clock}.") + ("" if self.phase == STEP else f"{self.phase}.")
        return " ".join(prefix + name for name in self.fields)


def _known(text: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "-" if value is None else text(value)


SHOWN: dict[str, _Shown] = {
    "step": _Shown("step", ("median_seconds",), write.duration),
    "step_interval": _Shown("95 % interval", ("low_seconds", "high_seconds"), write.duration_interval, spare=1),
    "minimum": _Shown("minimum", ("minimum_seconds",), write.duration),
    "on_device": _Shown("on device", ("median_seconds",), write.duration, clock=DEVICE),
    "speedup": _Shown("speedup", ("speedup",), write.factor),
    "speedup_interval": _Shown("its 95 % interval", ("speedup_low", "speedup_high"), write.factor_interval),
    "precision_speedup": _Shown("over full", ("precision_speedup",), write.factor),
    "precision_interval": _Shown(
        "its 95 % interval", ("precision_speedup_low", "precision_speedup_high"), write.factor_interval, spare=1
    ),
    "error": _Shown("error", ("error",), _known(lambda value: f"{value:.1e}")),
    **{stage: _Shown(stage, ("median_seconds",), write.duration, 2, phase=stage) for stage in STAGES},
    "sync_tax": _Shown("sync tax", ("sync_tax",), write.percent, spare=1),
    "sync_tax_interval": _Shown(
        "its 95 % interval", ("sync_tax_low", "sync_tax_high"), partial(write.interval, text=write.percent), 2
    ),
    "per_second": _Shown("rows/s", ("per_second",), _known(write.significant), spare=4),
    "gflops": _Shown("GFLOP/s", ("gflops",), _known(write.significant)),
    "peak_fraction": _Shown("of peak", ("peak_fraction",), write.share, spare=2),
    "compile_cold": _Shown("compile cold", ("compile_cold_seconds",), _known(write.duration)),
    "compile_warm": _Shown("compile warm", ("compile_warm_seconds",), _known(write.duration)),
    "graph_breaks": _Shown("graph breaks", ("graph_breaks",), _known(str), spare=3),
    "recompiles": _Shown("recompiles", ("recompiles",), _known(str), spare=3),
    "processes": _Shown("processes", ("processes",), str),
    "samples": _Shown("samples", ("samples",), str),
    "flagged": _Shown("flagged", ("flagged",), str),
    "first_step": _Shown("first step", ("median_seconds",), write.duration, 3, phase=FIRST_STEP),
    "memory": _Shown("memory", ("step_peak_bytes",), write.size, spare=5),
    "framework_memory": _Shown("before build", ("framework_bytes",), write.size, spare=5),
    "reserved_memory": _Shown("reserved", ("reserved_bytes",), write.size, spare=5),
    "peak_memory": _Shown("peak memory", ("peak_bytes",), write.size, spare=5),
    "communication": _Shown("communication", ("communication_share",), write.share, spare=3),
    "energy": _Shown("energy", ("energy_joules",), _known(lambda value: f"{write.significant(value)} J"), spare=3),
}
"""The columns that a table of cases may have, and that `--columns` and the `SHOWS` of a figure name."""


def case_table(
    name: str,
    caption: Words,
    summary: Summary,
    rows: Sequence[SummaryRow],
    shown: Iterable[str],
    asked: bool = False,
) -> Table:
    """Return a table of cases in the order of the workloads, those of one variant together.

    Args:
        name: the table's.
        caption: the table's.
        summary: all rows of the run.
        rows: whole steps, one for each case. Where they are of several workloads, each is named.
        shown: names of columns, from `SHOWN`; one that no case has a value for is left out.
        asked: whether somebody asked for just these: then none is left out, however narrow a terminal is.
    """
    kept = [item for item in shown if asked or any(_has(summary, row, SHOWN[item]) for row in rows)]
    heads = [Head("implementation", wraps=True), Head("backend")]
    first = next((item for item in kept if item in STAGES), "")
    for item in kept:
        unit, spare = _COLUMNS[SHOWN[item].fields[0]].unit, 0 if asked else SHOWN[item].spare
        heads.append(Head(SHOWN[item].header, right=True, unit=unit, begins=item == first, spare=spare))
    groups = []
    for title, alike in summary.variants(rows).items():
        lines = []
        for row in alike:
            key = {column: str(value) for column, value in row.case.columns.items()}
            names = [Cell(key[column], (key[column],), column) for column in ("implementation", "backend")]
            lines.append(Row((*names, *(_cell(summary, row, SHOWN[item]) for item in kept)), key))
        groups.append((title, lines))
    return grouped(name, caption, heads, groups, SUMMARY)


def _has(summary: Summary, row: SummaryRow, shown: _Shown) -> bool:
    found = summary.find(row, shown.phase, shown.clock)
    if found is None:
        return False
    return _is_profiled(found, shown) or any(getattr(found, name) is not None for name in shown.fields)


def _is_profiled(row: SummaryRow, shown: _Shown) -> bool:
    return shown.phase != STEP and row.method is Method.PROFILED


def _cell(summary: Summary, row: SummaryRow, shown: _Shown) -> Cell:
    """Return one value; a word for a baseline's speedup, and for a fused phase its share."""
    found = summary.find(row, shown.phase, shown.clock)
    if found is None:
        return Cell("-")
    if _is_profiled(found, shown):
        text = "-" if found.share is None else f"~{found.share * 100:.0f} %"
        return Cell(text, (found.share,), f"{shown.phase}.share")
    raw: tuple[Raw, ...] = tuple(getattr(found, name) for name in shown.fields)
    text = shown.text(*raw)
    if shown.fields[0].startswith("speedup") and is_baseline(row):
        text = "baseline" if shown.fields == ("speedup",) else ""
    return Cell(text, raw, shown.source)
