"""Texts as cells of CSV files. A spreadsheet runs a cell that begins as a formula does, so a quote stands before it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Quotes that a text begins with itself count too, so that what is written can be read back."""


def disarmed(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(cell: str) -> str:
    """Return the text that `disarmed` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def originals(cells: pd.Series) -> pd.Series:
    """Return a column with the text of each of its cells."""
    changed = {cell: text for cell in cells.unique() if (text := original(cell)) != cell}
    if not changed:
        return cells
    texts = cells.map(lambda cell: changed.get(cell, cell))
    return texts.astype("category") if str(cells.dtype) == "category" else texts.astype("str")
