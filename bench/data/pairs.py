"""pairs.csv: what the pairs of a comparison took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.column import described, sizes_in
from bench.data.schema import PHASES, SCHEMA_VERSION
from bench.data.store import append, new_folder, to_csv, write_atomically
from bench.data.tables import header_of
from bench.model.case import Case

PAIRS = "pairs.csv"


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One row a turn and phase of a comparison: what one side of one pair took."""

    schema_version: int = described("Version of these columns.", default=SCHEMA_VERSION)
    run_id: str = described("Comparison that it belongs to; also the name of its folder.")
    case: Case
    stage: int = described("Which look of the case it was measured for, from 1.")
    pair: int = described("Which pair of the case, from 0.")
    turn: int = described("Which turn of the pair, from 0; a coin decides which side takes it first.")
    side: str = described("`A` or `B`.", values=("A", "B"))
    phase: str = described("`step`, a phase or two fused phases; see samples.csv.", values=PHASES)
    minimum_seconds: float = described("Shortest single time of the turn, per iteration.", "s")
    median_seconds: float = described("Median of the turn's single times, per iteration.", "s")


def create_pairs(folder: Path, sizes: Iterable[str]) -> None:
    """Begin the folder of a comparison whose cases have these columns of sizes.

    Raises:
        StorageError: the folder has something in it already, or cannot be written.
    """
    with new_folder(folder):
        write_atomically(folder / PAIRS, to_csv(PairRow, (), sizes))


def append_pairs(folder: Path, rows: Sequence[PairRow]) -> None:
    """Put one finished pair on disk."""
    append(folder / PAIRS, to_csv(PairRow, rows, sizes_in(header_of(folder / PAIRS)), header=False))
