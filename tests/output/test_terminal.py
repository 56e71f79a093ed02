"""Blocks on a terminal: what narrow ones leave out, what long tables leave to a file, and that nothing is obeyed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from bench.output import document as doc
from bench.output.document import MOST_ROWS, Cell, Code, Head, Row, RowGroup, Strong, Table, numbers, table
from bench.output.render import terminal

Show = Callable[..., str]
HOSTILE = "[bold]a[/bold] :smile: \x1b[31m\x07\r\ud800 \u202e [link=http://x]"
SAFE = "[bold]a[/bold] :smile: \\x1b[31m\\x07 \\ud800 \\u202e [link=http://x]"


def columns(*spare: int) -> Table:
    """A table whose columns take 20 letters each, with the gaps."""
    heads = [Head(f"{place}" * 18, spare=each) for place, each in enumerate(spare)]
    return table("t", (), heads, [[str(place) for place in range(len(spare))]])


@pytest.mark.parametrize(
    ("width", "kept"), [(100, "01234"), (98, "01234"), (97, "0134"), (78, "0134"), (77, "04"), (38, "04")]
)
def test_the_most_dispensable_columns_go_until_the_others_fit(shown: Show, width: int, kept: str) -> None:
    text = shown([columns(0, 1, 2, 1, 0)], width)
    assert "".join(dict.fromkeys(re.sub(r"\s", "", text))) == kept


@pytest.mark.parametrize("width", [37, 20])
def test_where_not_even_those_fit_each_cell_has_a_line_after_its_head(shown: Show, width: int) -> None:
    found = table("t", (), [Head("case"), Head("A" * 18), *numbers("slowdown"), *numbers("x", spare=1)], [])
    rows = tuple(Row(tuple(map(Cell, (name, "12 us", "", "9")))) for name in ("numpy_manual", "a name that is long"))
    found = Table("t", (), found.heads, (RowGroup("", rows),))
    lines = shown([found], width).splitlines()
    assert lines[:2] == ["case: numpy_manual", f"  {'A' * 18}: 12 us"] if width == 37 else lines[0].startswith("case:")
    assert "caseanamethatislong" in re.sub(r"[\s:]", "", "".join(lines))


def test_a_column_that_may_wrap_makes_room_before_one_is_left_out(shown: Show) -> None:
    names = table("t", (), [Head("name", wraps=True), *numbers("n", spare=1)], [["long " * 10, "7"]])
    assert re.search(r"long +7$", shown([names], 40).splitlines()[1])


def long(rows: int, file: str) -> Table:
    groups = tuple(
        RowGroup(f"g{first}", tuple(Row((Cell(f"row{first + place}"),)) for place in range(10)))
        for first in range(0, rows, 10)
    )
    return Table("t", ("Caption",), (Head("name"),), groups, file)


def test_a_long_table_ends_with_a_line_that_names_the_file_of_the_rest(shown: Show) -> None:
    text = shown([long(50, "summary.csv")])
    assert text.count("row") == MOST_ROWS + 1
    assert text.splitlines()[-1] == f"{50 - MOST_ROWS} more rows are in summary.csv."
    assert "g20" in text
    assert "g30" not in text
    assert shown([long(50, "")]).count("row") == 50
    assert "more rows" not in shown([long(20, "summary.csv")])


def test_each_group_stands_under_the_caption_and_its_own_title(shown: Show) -> None:
    assert [line for line in shown([long(20, "")]).splitlines() if line.startswith("Cap")] == [
        "Caption, g0",
        "Caption, g10",
    ]


BLOCKS: list[doc.Block] = [
    (HOSTILE,),
    doc.Heading(HOSTILE),
    doc.Bullets(((HOSTILE, Strong(HOSTILE), Code(HOSTILE)),)),
    doc.Glossary(((HOSTILE, (HOSTILE,)),)),
    doc.Commands((HOSTILE,)),
    table("t", (HOSTILE,), [HOSTILE], [[HOSTILE]]),
    doc.FigureBlock("f", HOSTILE, HOSTILE, (), (), table("t", (), [], [])),
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_a_terminal_obeys_nothing_in_any_block(shown: Show, block: doc.Block) -> None:
    text = shown([block], 200)
    text.encode()
    assert not set(text) - {"\n"} & set("\x1b\x07\r\u202e")
    assert SAFE.split()[0] in text
    assert "\\x1b[31m\\x07" in text


def test_commands_are_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    command = "bench plot " + "x  " * 100 + "end"
    terminal.show([doc.Commands((command,)), doc.Glossary((("draw again", (command,)),))])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == command
    assert lines[-1] == f"draw again  {command}"


@pytest.mark.parametrize(("tone", "code"), [("good", "32"), ("warn", "33"), ("bad", "1;31")])
def test_a_tone_is_a_colour(tone: str, code: str) -> None:
    stream = io.StringIO()
    screen = Console(file=stream, force_terminal=True, color_system="standard", width=80)
    screen.print(terminal.render([table("t", (), ["x"], [[Cell("word", tone=tone)]])], 80))  # type: ignore[arg-type]
    assert f"\x1b[{code}mword" in stream.getvalue()
