"""Tables of cases: one row a case, and columns that are asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.data.schema import DEVICE, HOST, STEP, Method, SummaryRow, columns_of
from bench.model.step import ALL_PHASES
from bench.model.workload import WORKLOADS
from bench.output.report.model import Cell, Column, Group, Raw, Row, Table, Words
from bench.output.report.rows import Summary, key_texts, variant_of
from bench.output.text import (
    duration,
    duration_interval,
    factor,
    factor_interval,
    percent,
    share,
    significant,
    variant_word,
)

_UNITS = {column.name: column.unit for column in columns_of(SummaryRow)}


@dataclass(frozen=True)
class _Shown:
    """A column: which cells of summary.csv it shows, and how."""

    header: str
    fields: tuple[str, ...]
    text: Callable[..., str]
    phase: str = STEP
    clock: str = HOST
    begins: bool = False
    """See `Column.begins`."""


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _percent_interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{percent(low)[:-2]} … {percent(high)}"


def _number(value: float | None) -> str:
    return "-" if value is None else significant(value)


def _joules(value: float | None) -> str:
    return "-" if value is None else f"{significant(value)} J"


SHOWN: dict[str, _Shown] = {
    "step": _Shown("step", ("median_seconds",), duration),
    "step_interval": _Shown("95 % interval", ("low_seconds", "high_seconds"), duration_interval),
    "minimum": _Shown("minimum", ("minimum_seconds",), duration),
    "on_device": _Shown("on device", ("median_seconds",), duration, clock=DEVICE),
    "speedup": _Shown("speedup", ("speedup",), factor),
    "speedup_interval": _Shown("its 95 % interval", ("speedup_low", "speedup_high"), factor_interval),
    **{
        str(phase): _Shown(str(phase), ("median_seconds",), duration, phase=str(phase), begins=phase is ALL_PHASES[0])
        for phase in ALL_PHASES
    },
    "sync_tax": _Shown("sync tax", ("sync_tax",), percent),
    "sync_tax_interval": _Shown("its 95 % interval", ("sync_tax_low", "sync_tax_high"), _percent_interval),
    "gflops": _Shown("GFLOP/s", ("gflops",), _number),
    "peak_fraction": _Shown("of peak", ("peak_fraction",), share),
    "processes": _Shown("processes", ("processes",), _count),
    "samples": _Shown("samples", ("samples",), _count),
    "flagged": _Shown("flagged", ("flagged",), _count),
    "energy": _Shown("energy", ("energy_joules",), _joules),
}
"""The columns that a table of cases may have, and that the `SHOWS` of a figure names."""


def case_table(
    name: str, caption: Words, summary: Summary, rows: Sequence[SummaryRow], shown: Iterable[str], several: bool
) -> Table:
    """Cases in the order of the workloads, those of one variant together.

    Args:
        name: of the table.
        caption: its title.
        summary: all rows of the run.
        rows: whole steps, one a case.
        shown: names of columns, from `SHOWN`; one that no case has a value for is left out.
        several: whether the workload is named where rows of several come together.
    """
    kept = [item for item in shown if any(_has(summary, row, SHOWN[item]) for row in rows)]
    columns = [Column("implementation"), Column("backend")]
    columns += [_column(SHOWN[item]) for item in kept]
    groups = []
    for workload in WORKLOADS:
        inside = [row for row in rows if row.workload == workload]
        for variant in dict.fromkeys(variant_of(row) for row in inside):
            alike = [row for row in inside if variant_of(row) == variant]
            words = [workload] if several else []
            words += [variant_word(column, getattr(alike[0], column)) for column in summary.differing]
            groups.append(Group(", ".join(words), tuple(_row(summary, row, kept) for row in alike)))
    return Table(name, caption, tuple(columns), tuple(groups))


def _column(shown: _Shown) -> Column:
    return Column(shown.header, right=True, unit=_UNITS[shown.fields[0]], begins=shown.begins)


def _has(summary: Summary, row: SummaryRow, shown: _Shown) -> bool:
    found = summary.find(row, shown.phase, shown.clock)
    return found is not None and (
        any(getattr(found, name) is not None for name in shown.fields) or _is_profiled(found, shown)
    )


def _is_profiled(row: SummaryRow, shown: _Shown) -> bool:
    return shown.phase != STEP and row.method is Method.PROFILED


def _row(summary: Summary, row: SummaryRow, shown: Iterable[str]) -> Row:
    names = [Cell(getattr(row, name), (getattr(row, name),), name) for name in ("implementation", "backend")]
    return Row((*names, *(_cell(summary, row, SHOWN[item]) for item in shown)), key_texts(row))


def _cell(summary: Summary, row: SummaryRow, shown: _Shown) -> Cell:
    """One value; that of a baseline's speedup is told in a word, that of a fused phase as the share it is."""
    found = summary.find(row, shown.phase, shown.clock)
    if found is None:
        return Cell("-")
    if _is_profiled(found, shown):
        text = "-" if found.share is None else f"~{found.share * 100:.0f} %"
        return Cell(text, (found.share,), f"{shown.phase}.share")
    raw: tuple[Raw, ...] = tuple(getattr(found, name) for name in shown.fields)
    text = shown.text(*raw)
    if shown.fields[0].startswith("speedup") and row.implementation == row.baseline:
        text = "baseline" if shown.fields == ("speedup",) else ""
    prefix = ("" if shown.clock == HOST else f"{shown.clock}.") + ("" if shown.phase == STEP else f"{shown.phase}.")
    return Cell(text, raw, " ".join(prefix + name for name in shown.fields))


def text_table(name: str, caption: Words, columns: Sequence[Column | str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table of one group whose cells are texts, or `Cell`s."""
    made = tuple(Row(tuple(item if isinstance(item, Cell) else Cell(str(item)) for item in row)) for row in rows)
    heads = tuple(item if isinstance(item, Column) else Column(item) for item in columns)
    return Table(name, caption, heads, (Group("", made),))
