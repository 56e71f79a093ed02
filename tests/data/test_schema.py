from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bench.data.column import Column, columns_of, described
from bench.data.crossing import CrossoverRow
from bench.data.schema import SCHEMA_VERSION, Method, ProcessRow, SampleRow, Status, SummaryRow
from bench.model.case import CASE_COLUMNS, CONDITIONS, WHO, Case, Mode
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.workloads import tutorial

SIZE = "size.layers"
CASE = tuple(column.name for column in (*WHO, *CONDITIONS))
FILES = {"samples.csv": SampleRow, "processes.csv": ProcessRow, "summary.csv": SummaryRow}
rows = pytest.mark.parametrize("row", FILES.values(), ids=FILES)
DOCUMENTED = FILES | {"crossovers.csv": CrossoverRow}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    word: str = described("A word.")
    count: int = described("A count.", "bytes")
    truth: bool = described("A truth.")
    kind: Method = described("One of a few words.")
    ratio: float | None = described("A ratio.", "s", default=None)
    maybe: bool | None = described("A truth, perhaps.", default=None)
    status: Status | None = described("A status, perhaps.", default=None)


def test_columns_have_the_fields_kind_unit_and_doc_in_order() -> None:
    assert columns_of(Example) == (
        Column("word", str, False, "", "A word.", ("word",)),
        Column("count", int, False, "bytes", "A count.", ("count",)),
        Column("truth", bool, False, "", "A truth.", ("truth",)),
        Column("kind", str, False, "", "One of a few words.", ("kind",), ("whole", "staged", "batched", "profiled")),
        Column("ratio", float, True, "s", "A ratio.", ("ratio",)),
        Column("maybe", bool, True, "", "A truth, perhaps.", ("maybe",)),
        Column("status", str, True, "", "A status, perhaps.", ("status",), tuple(map(str, Status))),
    )


def test_a_sample_names_its_process_and_no_column_of_its_case() -> None:
    names = [column.name for column in columns_of(SampleRow)]
    assert names == ["process", "turn", "phase", "method", "clock", "iterations", "seconds", "variant", "flags"]
    assert not set(names) & set(CASE)
    assert columns_of(SampleRow, [SIZE]) == columns_of(SampleRow)


@pytest.mark.parametrize("row", [ProcessRow, SummaryRow])
def test_a_file_that_tells_of_cases_begins_with_all_of_their_columns(row: type) -> None:
    names = [column.name for column in columns_of(row, [SIZE])]
    expected = ["schema_version", "run_id", *(column.name for column in WHO), SIZE]
    expected += [column.name for column in CONDITIONS]
    assert names[: len(expected)] == expected


def test_a_crossover_has_what_both_contenders_share_and_what_tells_them_apart() -> None:
    names = [column.name for column in columns_of(CrossoverRow)]
    for column in CASE_COLUMNS:
        found = [f"a_{column.name}", f"b_{column.name}"] if column.contender else [column.name]
        assert set(found) <= set(names), column.name
    (size,) = [column for column in columns_of(CrossoverRow, [SIZE]) if column.name.startswith("size.")]
    assert (size.name, size.kind, size.optional) == (SIZE, int, True)


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
        if field.name == "case":
            continue
        column = columns[field.name]
        if column.optional:
            assert field.default is None, field.name
        elif field.default is not dataclasses.MISSING:
            assert (column.kind, field.default) in ((str, ""), (int, 0), (int, SCHEMA_VERSION)), field.name


def test_the_kinds_of_some_columns() -> None:
    kinds = {column.name: (column.kind, column.optional) for column in columns_of(SummaryRow)}
    assert kinds["status"] == (str, False)
    assert kinds["method"] == (str, True)
    assert kinds["variant"] == (int, True)
    assert kinds["verified"] == (bool, False)
    assert kinds["speedup"] == (float, True)
    assert {column.name: column.kind for column in columns_of(ProcessRow)}["warmup_settled"] is bool


def test_a_cases_columns_are_complete_and_say_what_the_case_is() -> None:
    problem = tutorial(batch=3, d_in=4, hidden=5, d_out=6, dtype=Dtype.FLOAT64)
    mode, precision = Mode.TRANSFERRED_COLD, Precision.TF32
    case = Case("mine", "mlp_sgd", "torch-cuda", "torch", "cuda", problem, 7, mode, precision)
    assert case.columns == {
        "implementation": "mine",
        "workload": "mlp_sgd",
        "backend": "torch-cuda",
        "framework": "torch",
        "device": "cuda",
        "size.batch": 3,
        "size.d_in": 4,
        "size.hidden": 5,
        "size.d_out": 6,
        "dtype": "float64",
        "threads": 7,
        "mode": "transferred-cold",
        "precision": "tf32",
        "devices": 1,
    }
    assert Case.from_columns(case.columns) == case


def _section(text: str, name: str) -> str:
    """From the heading that names the file to the next heading of the same rank or above."""
    headings = list(re.finditer(r"^(#+) .*$", text, re.MULTILINE))
    for index, heading in enumerate(headings):
        if name in heading.group():
            rank = len(heading.group(1))
            after = (other.start() for other in headings[index + 1 :] if len(other.group(1)) <= rank)
            return text[heading.end() : next(after, len(text))]
    pytest.fail(f"no heading names {name}")


def _documented(root: Path, heading: str) -> dict[str, str]:
    """The lines of a table by the column that they are about."""
    section = _section((root / "results" / "README.md").read_text(encoding="utf-8"), heading)
    return {found.group(1): found.group() for found in re.finditer(r"^\| *`([\w.]+)` *\|.*$", section, re.MULTILINE)}


def test_the_readme_of_results_documents_the_columns_of_a_case(root: Path) -> None:
    who, conditions = ([column.name for column in columns] for columns in (WHO, CONDITIONS))
    assert list(_documented(root, "columns of a case")) == [*who, "size.NAME", *conditions]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_readme_of_results_documents_every_other_column_in_order_with_its_unit(root: Path, name: str) -> None:
    lines = _documented(root, name)
    told_once = {*CASE, *(f"{side}_{column}" for side in "ab" for column in CASE), "schema_version", "run_id"}
    columns = [column for column in columns_of(DOCUMENTED[name]) if column.name not in told_once]
    assert list(lines) == [column.name for column in columns]
    for column in columns:
        if column.unit:
            unit = rf"(?<!\w){re.escape(column.unit)}(?!\w)"
            assert re.search(unit, lines[column.name].partition("` ")[2]), column.name
