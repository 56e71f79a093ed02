"""Texts in CSV files: no spreadsheet runs one, and each is read as it was written."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.cells import disarmed, original
from bench.data.schema import ProcessRow, SampleRow
from bench.data.store import to_csv
from bench.data.tables import read_table

HOSTILE = [
    "=cmd|'/C calc'!A1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "''=1",
    "'",
    "''",
    "'quoted'",
    "",
    "-",
    "a=b",
    "1.5",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_stands_behind_a_quote_and_comes_back(text: str) -> None:
    cell = disarmed(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert original(cell) == text
    assert (cell == text) == (text in ("'", "''", "'quoted'", "", "a=b", "1.5"))


@given(st.text(st.sampled_from("'=+-@\t\r ab")))
def test_every_text_comes_back(text: str) -> None:
    assert original(disarmed(text)) == text


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_text_in_a_file_is_read_as_one_line_of_what_it_was(
    build: ModuleType, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "processes.csv"
    path.write_text(to_csv(ProcessRow, [build.process_row(reason=text)]), encoding="utf-8")
    assert read_table(path, ProcessRow)["reason"].tolist() == [" ".join(text.splitlines())]


def test_texts_of_rows_are_disarmed_and_numbers_are_not(build: ModuleType, tmp_path: Path) -> None:
    rows = [
        build.process_row(reason=text, temperature_celsius=-1.5, process=number) for number, text in enumerate(HOSTILE)
    ]
    path = tmp_path / "processes.csv"
    path.write_text(to_csv(ProcessRow, rows), encoding="utf-8")
    with path.open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert [row["reason"] for row in cells] == [disarmed(" ".join(text.splitlines())) for text in HOSTILE]
    assert {row["temperature_celsius"] for row in cells} == {"-1.5"}
    assert read_table(path, ProcessRow)["reason"].tolist() == HOSTILE
    assert set(read_table(path, ProcessRow)["temperature_celsius"]) == {-1.5}


def test_texts_that_are_categories_come_back_too(build: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text(to_csv(SampleRow, [build.sample_row(flags=text) for text in ("=a", "'=a", "b")]), encoding="utf-8")
    found = read_table(path, SampleRow, text="category")["flags"]
    assert found.tolist() == ["=a", "'=a", "b"]
    assert str(found.dtype) == "category"
