"""Numbers as options: every text is a number in range, or is refused with the range before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import click
import pytest

from bench.cli import cli
from bench.options.numeric import Duration, NamedSize, Percent, Threads, Whole, whole

NUMERIC = Whole | Duration | Percent | Threads | NamedSize
ODD = [
    "",
    " ",
    "-1",
    "1e3",
    "nan",
    "inf",
    "-inf",
    "NaN",
    "٣",
    "²",
    "0x10",
    "1_000",
    "9" * 400,
    "9" * 5000,
    "1;2",
]
ODD += [str(2**63), str(2**64), "-" + "9" * 400, "\x1b[2J", "--", "5 5", "½", "None", "true"]


def numeric() -> list[tuple[str, str, Any]]:
    """The options of all commands that are numbers."""
    return [
        (name, option.opts[0], option.type)
        for name, command in cli.commands.items()
        for option in command.params
        if isinstance(option.type, NUMERIC)
    ]


def test_an_odd_number_is_refused_by_every_option_that_is_one() -> None:
    found = numeric()
    assert {"--budget", "--timeout", "--threads", "--hidden", "--rounds", "--batch", "--seed"} <= {
        each[1] for each in found
    }
    for command, option, kind in found:
        for text in ODD:
            if isinstance(kind, NamedSize):
                text = f"layers={text}"
            with pytest.raises(click.BadParameter) as caught:
                kind.convert(text, None, None)
            words = str(caught.value)
            assert words.startswith((repr(text), repr(text.split(",")[0]), repr(text.strip()))), (command, option)
            assert " from " in words or "write" in words
            assert words.endswith(".")


@pytest.mark.parametrize("option", ["--hidden", "--rounds", "--threads", "--budget", "--timeout", "--seed", "--within"])
def test_a_number_of_400_digits_is_one_short_sentence_that_names_its_option(
    here: Callable[..., CompletedProcess[str]], error: Callable[..., str], tmp_path: Path, option: str
) -> None:
    message = error(here("run", option, "9" * 400, cwd=tmp_path))
    assert message.startswith(f"Error: Invalid value for '{option}': '999")
    assert len(message) < 300
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_keep_to_their_range() -> None:
    assert [whole(text, 7, 9) for text in ("6", "7", " 9 ", "0009", "10")] == [None, 7, 9, 9, None]
    assert Whole(0, 2**32 - 1).convert("4294967295", None, None) == 2**32 - 1
    assert Whole(3).convert(44, None, None) == 44  # a default


def test_times_and_shares_keep_to_their_range() -> None:
    assert Duration().convert("168h", None, None) == 604_800
    for text in ("169h", "9999999999h", "0", "0.0001ms", f"{'9' * 310}s"):
        with pytest.raises(click.BadParameter, match="is not a time from 1ms to 168h: write 60s, 2m or 500ms"):
            Duration().convert(text, None, None)
    assert Percent().convert("99.9999%", None, None) == pytest.approx(0.999999)
    for text in ("100%", "1", "0", f"0.{'0' * 400}1"):
        with pytest.raises(click.BadParameter, match=r"write 2% or 0\.02"):
            Percent().convert(text, None, None)
