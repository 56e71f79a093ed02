"""Texts before any format."""

from __future__ import annotations

import pytest

from bench.output.document import Code, Head, Inline, Strong, Words, joined, marked, plain, prose, table, ticked


def test_marks_are_those_of_the_template_and_never_of_a_value() -> None:
    found = prose("a `b` **c** {} {}", "`x` **y** {}", (Strong("z"),))
    assert found == ("a ", Code("b"), " ", Strong("c"), " ", "`x` **y** {}", " ", Strong("z"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("say `bench run` now", ("say ", Code("bench run"), " now")), ("`a`", (Code("a"),)), ("a ` b", ("a ` b",))],
)
def test_backticks_of_a_message_are_code(text: str, expected: Words) -> None:
    assert ticked(text) == expected


@pytest.mark.parametrize(("word", "text"), [("a", "<A>"), (Code("a"), "(a)"), (Strong("a "), "*<A>* ")])
def test_each_kind_of_piece_is_written_in_its_own_way(word: Inline, text: str) -> None:
    assert marked((word,), lambda text: f"<{text.upper()}>", "({})".format, "*{}*") == text


def test_texts_are_joined_with_what_stands_between() -> None:
    found = joined([("a",), ("",), (), ("b", Code("c d"))], ", ")
    assert found == ("a", ", ", "b", Code("c d"))
    assert plain(found) == "a, b`c d`"


def test_a_table_may_be_given_as_texts() -> None:
    made = table("t", (), ["a", Head("b", right=True)], [["x", "long"], ["y", "z"]])
    assert [head.right for head in made.heads] == [False, True]
    assert [row.cells[1].text for row in made.rows] == ["long", "z"]
    assert made.letters(1) == 4
