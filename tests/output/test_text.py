from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.output.names import variant_word
from bench.output.text import (
    duration,
    duration_interval,
    factor,
    factor_interval,
    option,
    percent,
    readable,
    rough,
    share,
    significant,
    size,
    visible,
)

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=300)
SCALES = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (9.99, "9.99"),
        (9.994, "9.99"),
        (9.999, "10.0"),
        (99.96, "100"),
        (123456, "123000"),
        (0.1, "0.100"),
        (0.09999, "0.100"),
        (0.00012345, "0.000123"),
        (-9.999, "-10.0"),
    ],
)
def test_three_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0 ns"),
        (1.5e-10, "0.150 ns"),
        (9.994e-7, "999 ns"),
        (9.996e-7, "1.00 µs"),
        (9.999e-3, "10.0 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.0, "1.00 s"),
        (61.26, "61.3 s"),
    ],
)
def test_a_duration_has_the_unit_in_which_it_is_at_least_one(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@repeatable
@given(st.floats(1e-9, 999.0))
def test_a_duration_reads_back_within_half_a_unit_of_its_last_digit(seconds: float) -> None:
    number, unit = duration(seconds).split(" ")
    assert re.fullmatch(r"\d\.\d\d|\d\d\.\d|\d\d\d", number), number
    assert float(number) * SCALES[unit] == pytest.approx(seconds, rel=0.00501)
    assert unit == "s" or float(number) < 1000


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (None, None, "-"),
        (1e-3, None, "-"),
        (None, 1e-3, "-"),
        (3.444e-4, 3.846e-4, "344 … 385 µs"),
        (9.5e-4, 1.06e-3, "950 µs … 1.06 ms"),
        (9.5e-4, 9.996e-4, "950 µs … 1.00 ms"),
        (0.5, 2.0, "500 ms … 2.00 s"),
    ],
)
def test_an_interval_names_its_unit_once_or_at_both_ends(low: float | None, high: float | None, text: str) -> None:
    assert duration_interval(low, high) == text


def test_an_interval_of_speedups() -> None:
    assert factor_interval(0.857, 1.309) == "0.857 … 1.31"
    assert factor_interval(None, 1.0) == factor_interval(1.0, None) == "-"


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (factor, None, "-"),
        (factor, 0.3994, "0.399x"),
        (factor, 9.999, "10.0x"),
        (percent, None, "-"),
        (percent, 0.0, "+0.0 %"),
        (percent, 0.1234, "+12.3 %"),
        (percent, -0.0132, "-1.3 %"),
        (share, None, "-"),
        (share, 0.123, "12 %"),
        (share, 0.0456, "4.6 %"),
        (share, 1.2, "120 %"),
    ],
)
def test_speedups_percentages_and_parts(write: Callable[[float | None], str], value: float | None, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("threads", 1, "1 CPU thread"),
        ("threads", 8, "8 CPU threads"),
        ("mode", "transferred-cold", "transferred-cold"),
        ("precision", "tf32", "tf32 precision"),
        ("dtype", "float64", "float64"),
        ("d_in", 1000, "d-in 1000"),
        ("batch", 64, "batch 64"),
    ],
)
def test_what_tells_two_cases_apart_in_words(name: str, value: object, text: str) -> None:
    assert variant_word(name, value) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer als 1 µs, 速度", "größer als 1 µs, 速度"),
        ("[bold]a[/] 'b' \\n", "[bold]a[/] 'b' \\n"),
        ("\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b\u202e\ufeff\ud800", "\\x9b\\u202e\\ufeff\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_text_of_several_lines_keeps_them_and_its_spaces() -> None:
    assert readable("a\n\tb\u00a0c\x1b\u202e\ufffe") == "a\n\tb\u00a0c\\x1b\\u202e\\ufffe"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (7.25, "7.2 s"), (52.8, "53 s"), (119.0, "120 s"), (120.0, "2 min"), (3600.0, "60 min")],
)
def test_how_long_something_lasts_is_told_roughly(seconds: float, text: str) -> None:
    assert rough(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(50.0, "50s"), (60.0, "1m"), (300.0, "5m"), (110.0, "110s")])
def test_a_time_is_written_as_an_option_takes_it(seconds: float, text: str) -> None:
    from bench.options.numeric import Duration

    assert option(seconds) == text
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (1023, "0.999 KiB"), (1536 * 1024, "1.50 MiB"), (3 << 40, "3.00 TiB")],
)
def test_memory_has_units_of_1024(count: int | None, text: str) -> None:
    assert size(count) == text
