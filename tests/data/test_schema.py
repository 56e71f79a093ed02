from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bench.data.schema import (
    CASE_KEY,
    SCHEMA_VERSION,
    CaseColumns,
    Column,
    CrossoverRow,
    Method,
    ProcessRow,
    SampleRow,
    Status,
    SummaryRow,
    _column,
    case_columns,
    columns_of,
)
from bench.model.case import Case, Mode
from bench.model.device import Precision
from bench.model.problem import Dtype, Problem

FILES = {"samples.csv": SampleRow, "processes.csv": ProcessRow, "summary.csv": SummaryRow}
rows = pytest.mark.parametrize("row", FILES.values(), ids=FILES)
DOCUMENTED = FILES | {"crossovers.csv": CrossoverRow}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    word: str = _column("A word.")
    count: int = _column("A count.", "bytes")
    truth: bool = _column("A truth.")
    kind: Method = _column("One of a few words.")
    ratio: float | None = _column("A ratio.", "s", default=None)
    maybe: bool | None = _column("A truth, perhaps.", default=None)
    status: Status | None = _column("A status, perhaps.", default=None)


def test_columns_have_the_fields_kind_unit_and_doc_in_order() -> None:
    assert columns_of(Example) == (
        Column("word", str, False, "", "A word."),
        Column("count", int, False, "bytes", "A count."),
        Column("truth", bool, False, "", "A truth."),
        Column("kind", str, False, "", "One of a few words.", ("whole", "staged", "batched", "profiled")),
        Column("ratio", float, True, "s", "A ratio."),
        Column("maybe", bool, True, "", "A truth, perhaps."),
        Column("status", str, True, "", "A status, perhaps.", tuple(map(str, Status))),
    )


@rows
def test_every_file_begins_with_the_columns_of_the_case(row: type) -> None:
    case = columns_of(CaseColumns)
    assert columns_of(row)[: len(case)] == case
    assert len(columns_of(row)) > len(case)


@rows
def test_every_column_has_a_sentence_and_a_name_of_its_own(row: type) -> None:
    columns = columns_of(row)
    assert [column.name for column in columns if not column.doc.endswith(".")] == []
    assert len({column.name for column in columns}) == len(columns)


@rows
def test_seconds_and_bytes_carry_their_unit(row: type) -> None:
    for column in columns_of(row):
        if column.name.endswith("seconds"):
            assert column.unit == "s", column
        if column.name.endswith("bytes"):
            assert column.unit == "bytes", column


@rows
def test_what_may_be_unknown_is_optional_and_only_counts_default_to_a_number(row: type) -> None:
    columns = {column.name: column for column in columns_of(row)}
    for field in dataclasses.fields(row):
        column = columns[field.name]
        if column.optional:
            assert field.default is None, field.name
        elif field.default is not dataclasses.MISSING:
            assert (column.kind, field.default) in ((str, ""), (int, 0)), field.name


def test_the_kinds_of_some_columns() -> None:
    kinds = {column.name: (column.kind, column.optional) for column in columns_of(SummaryRow)}
    assert kinds["status"] == (str, False)
    assert kinds["method"] == (str, True)
    assert kinds["depth"] == (int, True)
    assert kinds["verified"] == (bool, False)
    assert kinds["speedup"] == (float, True)
    assert {column.name: column.kind for column in columns_of(ProcessRow)}["warmup_settled"] is bool


def test_the_key_of_a_case_is_all_its_columns_but_version_and_run() -> None:
    names = tuple(column.name for column in columns_of(CaseColumns))
    assert names == ("schema_version", "run_id", *CASE_KEY)


def test_a_cases_columns_are_complete_and_say_what_the_case_is() -> None:
    problem = Problem(batch=3, d_in=4, hidden=5, d_out=6, dtype=Dtype.FLOAT64)
    mode, precision = Mode.TRANSFERRED_COLD, Precision.TF32
    case = Case("mine", "mlp_sgd", "torch-cuda", "torch", "cuda", problem, 7, mode, precision)
    values = case_columns("the-run", case)
    assert values == {
        "schema_version": SCHEMA_VERSION,
        "run_id": "the-run",
        "implementation": "mine",
        "workload": "mlp_sgd",
        "backend": "torch-cuda",
        "framework": "torch",
        "device": "cuda",
        "dtype": "float64",
        "batch": 3,
        "d_in": 4,
        "hidden": 5,
        "d_out": 6,
        "threads": 7,
        "mode": "transferred-cold",
        "precision": "tf32",
    }
    assert list(values) == [column.name for column in columns_of(CaseColumns)]


def _section(text: str, name: str) -> str:
    """From the heading that names the file to the next heading of the same rank or above."""
    headings = list(re.finditer(r"^(#+) .*$", text, re.MULTILINE))
    for index, heading in enumerate(headings):
        if name in heading.group():
            rank = len(heading.group(1))
            after = (other.start() for other in headings[index + 1 :] if len(other.group(1)) <= rank)
            return text[heading.end() : next(after, len(text))]
    pytest.fail(f"no heading names {name}")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_readme_of_results_documents_every_column_in_order(root: Path, name: str) -> None:
    section = _section((root / "results" / "README.md").read_text(encoding="utf-8"), name)
    documented = re.findall(r"^\| *`(\w+)` *\|", section, re.MULTILINE)
    columns = columns_of(DOCUMENTED[name])
    assert [column.name for column in columns if f"`{column.name}`" not in section] == []
    assert sorted(documented) == sorted(column.name for column in columns)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_readme_of_results_gives_every_unit(root: Path, name: str) -> None:
    section = _section((root / "results" / "README.md").read_text(encoding="utf-8"), name)
    lines = {match.group(1): match.group() for match in re.finditer(r"^\| *`(\w+)` *\|.*$", section, re.MULTILINE)}
    for column in columns_of(DOCUMENTED[name]):
        if column.unit:
            assert re.search(rf"(?<!\w){re.escape(column.unit)}(?!\w)", lines[column.name].partition("` ")[2]), (
                column.name
            )
