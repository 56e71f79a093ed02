from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import DataFormatError, StorageError, UsageError
from bench.output.site.folder import RECORD, SiteFolder

Opened = Callable[..., SiteFolder]


@pytest.fixture
def opened(tmp_path: Path, runs: Path) -> Opened:
    """The folder of a site."""
    return lambda name="site": SiteFolder(tmp_path / name, runs)


def never() -> str:
    raise AssertionError


def test_a_page_is_made_once_as_long_as_it_would_be_the_same(opened: Opened, tmp_path: Path) -> None:
    first = opened()
    first.begin(["index.html"])
    assert first.put("index.html", "a", lambda: "one")
    first.finish()
    second = opened()
    second.begin(["index.html"])
    assert not second.put("index.html", "a", never)
    assert second.put("index.html", "b", lambda: "two")
    assert (tmp_path / "site" / "index.html").read_text() == "two"


@pytest.mark.parametrize("what", ["change", "remove"])
def test_a_page_that_somebody_changed_or_removed_is_made_anew(opened: Opened, tmp_path: Path, what: str) -> None:
    first = opened()
    first.begin(["index.html"])
    first.put("index.html", "a", lambda: "one")
    first.finish()
    page = tmp_path / "site" / "index.html"
    page.write_text("other") if what == "change" else page.unlink()
    second = opened()
    second.begin(["index.html"])
    assert second.put("index.html", "a", lambda: "one")
    assert page.read_text() == "one"


def test_only_pages_are_removed_and_only_when_all_is_done(opened: Opened, tmp_path: Path) -> None:
    first = opened()
    first.begin(["index.html", "runs/a.html", "runs/b.html"])
    for name in ("index.html", "runs/a.html", "runs/b.html"):
        first.put(name, "a", lambda: "")
    first.finish()
    site = tmp_path / "site"
    for other in ("CNAME", "runs/mine.html"):
        (site / other).write_text("mine")
    second = opened()
    second.begin(["index.html", "runs/b.html"])
    second.put("runs/b.html", "a", never)
    assert (site / "runs" / "a.html").exists()
    second.put("index.html", "a", never)
    assert second.finish() == ["runs/a.html"]
    left = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert left == {"index.html", "runs/b.html", "CNAME", "runs/mine.html", RECORD}


def test_an_interrupted_build_leaves_whole_pages_and_knows_them_all(opened: Opened, tmp_path: Path) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    first = opened()
    first.begin(["runs/a.html", "runs/b.html", "index.html"])
    first.put("runs/a.html", "a", lambda: "whole")
    with pytest.raises(KeyboardInterrupt):
        first.put("runs/b.html", "b", interrupted)
    site = tmp_path / "site"
    assert {path.name for path in site.rglob("*") if path.is_file()} == {"a.html", RECORD}
    second = opened()
    second.begin(["runs/b.html"])
    second.put("runs/b.html", "b", lambda: "b")
    assert second.finish() == ["runs/a.html"]


def test_what_holds_anything_else_is_refused_and_left_alone(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    with pytest.raises(StorageError, match="has something in it already: choose another --out"):
        opened()
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]


def test_a_file_is_no_place_for_a_site(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine")
    with pytest.raises(StorageError, match="choose another --out"):
        opened()


def test_a_site_lies_in_no_run(opened: Opened, runs: Path, add: Callable[..., Path]) -> None:
    add("one")
    for name in ("one/site", "one/figures/site"):
        with pytest.raises(UsageError, match="the folder of a run"):
            opened(f"results/{name}")
    assert not (runs / "one" / "site").exists()
    opened("results/site")  # beside them it may


def test_a_link_out_of_the_site_is_refused(opened: Opened, tmp_path: Path, runs: Path) -> None:
    opened().begin([])
    (tmp_path / "site" / "runs").symlink_to(runs)
    with pytest.raises(UsageError, match="holds a link, runs, that leads elsewhere"):
        opened()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"site": 2, "pages": {}}',
        json.dumps({"site": 1, "pages": {"../results/one/manifest.json": {}}}),
        json.dumps({"site": 1, "pages": {"runs/../../x.html": {}}}),
    ],
)
def test_a_record_that_is_damaged_or_names_what_is_no_page_is_refused(
    opened: Opened, tmp_path: Path, text: str
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / RECORD).write_text(text)
    with pytest.raises(DataFormatError, match=r"holds no site that can be built anew .*choose another --out"):
        opened()
    assert (tmp_path / "site" / RECORD).read_text() == text
