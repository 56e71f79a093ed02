from __future__ import annotations

import re
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.output.site.names import INDEX, MACHINES, PAGE, run_page, step_page

folders = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=120)


def test_a_plain_name_is_kept() -> None:
    assert run_page("20260102-030405-6") == "runs/20260102-030405-6.html"


@pytest.mark.parametrize(
    "name",
    [
        "Run",
        "a b",
        "../../etc/passwd",
        "<script>",
        "é中🙂",
        "con",
        "com1",
        "a" * 300,
        "-",
        "\udcff",
        "a\nb",
        "index.html",
    ],
)
def test_any_other_name_becomes_one_that_every_file_system_takes(name: str) -> None:
    page = run_page(name)
    assert re.fullmatch(PAGE, page)
    assert page != f"runs/{name}.html"
    assert len(page) < 100


def test_names_that_differ_in_case_or_look_like_a_made_one_do_not_meet() -> None:
    made = run_page("Run")
    alike = made.removeprefix("runs/").removesuffix(".html")
    assert len({run_page(name) for name in ("run", "Run", "RUN", alike)}) == 4


@given(folders, folders)
def test_two_folders_never_have_one_page(one: str, other: str) -> None:
    assert re.fullmatch(PAGE, run_page(one))
    assert (run_page(one) == run_page(other)) is (one == other)


def test_a_page_of_a_step_is_that_of_its_case_alone(build: ModuleType) -> None:
    cases = [build.make_case(), build.make_case(threads=1), build.make_case("a/../b"), build.make_case("a-b")]
    pages = [step_page(case) for case in cases]
    assert len(set(pages)) == 4
    assert all(re.fullmatch(PAGE, page) for page in pages)
    assert step_page(build.make_case()) == pages[0]


@pytest.mark.parametrize(
    "name", ["../index.html", "runs/../x.html", "runs/x.html/y.html", "/index.html", "runs/X.html", "x.html"]
)
def test_what_is_no_page_is_none(name: str) -> None:
    assert not re.fullmatch(PAGE, name)
    assert re.fullmatch(PAGE, INDEX)
    assert re.fullmatch(PAGE, MACHINES)
