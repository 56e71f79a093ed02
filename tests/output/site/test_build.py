from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.data.foreign import FOREIGN, ForeignBenchmark, ForeignRun
from bench.data.store import SUMMARY
from bench.errors import DataFormatError, UsageError
from bench.output.site.folder import RECORD

Add = Callable[..., Path]
Site = Callable[..., list[str]]
Links = Callable[[Path], list[tuple[str, str]]]
OTHER = "Other Processor 1"


def pages(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def words(path: Path) -> str:
    """What a reader sees of a page, cells and lines with a space between."""
    text = re.sub(r"<style>.*?</style>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text.replace("<wbr>", ""))).split())


def test_each_run_has_its_report_and_each_step_of_two_runs_its_history(
    add: Add, whole_reports: None, site: Site, links: Links, tmp_path: Path
) -> None:
    for day in (1, 2):
        add(f"run{day}", day)
    site()
    found = pages(tmp_path / "site")
    assert {name for name in found if name.startswith("runs/")} == {"runs/run1.html", "runs/run2.html"}
    assert len([name for name in found if name.startswith("steps/")]) == 2
    led = links(tmp_path / "site")
    for page in found.keys() - {RECORD, "index.html"}:
        assert any(page in target for source, target in led if source == "index.html"), page
        top = "" if page == "machines.html" else "../"
        assert {target for source, target in led if source == page} >= {f"{top}index.html", f"{top}index.html#steps"}


def test_a_report_is_that_of_bench_report_but_for_its_history_and_the_ways_to_other_pages(
    add: Add, whole_reports: None, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.output.report import report

    folder = add("run1")
    site()
    there = (tmp_path / "site" / "runs" / "run1.html").read_text(encoding="utf-8")
    assert "the pages beside this one show it for each step" in there
    monkeypatch.setattr("bench.output.site.build._ELSEWHERE", {})
    monkeypatch.setattr("bench.output.site.build._program", lambda: "another")
    site()
    again = (tmp_path / "site" / "runs" / "run1.html").read_text(encoding="utf-8")
    without = re.sub(r'<nav aria-label="Pages">.*?</nav>\n', "", again, flags=re.DOTALL)
    assert without != again
    assert without == report(folder, "html")


def test_the_list_is_newest_first_with_the_largest_speedup_of_each(add: Add, site: Site, tmp_path: Path) -> None:
    add("run-a", 1, speedup=2.0)
    add("run-b", 2, speedup=3.0, ended_by="interrupted")
    site()
    told = words(tmp_path / "site" / "index.html")
    assert "2 runs of 1 machine and 1 workload, from 2026-03-01 10:00 to 2026-03-02 10:00 UTC." in told
    newer = "2026-03-02 10:00 3.00x torch_autograd on torch-cpu over numpy_manual in mlp_sgd 3.00 … 3.00 interrupted"
    assert told.index(newer) < told.index("2026-03-01 10:00 2.00x")
    assert "By machine" not in told
    assert "By workload" not in told


def test_what_went_wrong_in_a_run_is_counted(add: Add, site: Site, build: ModuleType, tmp_path: Path) -> None:
    names = {"torch_tensor": "wrong", "torch_nn": "failed", "torch_optim": "failed", "torch_module": "skipped"}
    rows = [
        build.summary_row(build.make_case(name, "torch-cpu"), status=status, reason="why", method=None, clock=None)
        for name, status in names.items()
    ]
    add("run", rows=rows)
    site()
    assert "1 case wrong; 2 cases failed" in words(tmp_path / "site" / "index.html")


def test_older_runs_follow_in_a_table_of_their_own(
    add: Add, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.output.content.index._NEWEST", 2)
    for day in (1, 2, 3, 4):
        add(f"run{day}", day)
    site()
    first, rest = (tmp_path / "site" / "index.html").read_text().split("Older runs", 1)
    assert [re.findall(r'href="runs/(\w+)\.html"', part) for part in (first, rest)] == [
        ["run4", "run3"],
        ["run2", "run1"],
    ]


def test_runs_stand_by_machine_and_by_workload_if_there_are_several(
    add: Add, site: Site, build: ModuleType, tmp_path: Path
) -> None:
    case = build.make_case("torch_nn", "torch-cpu", "mlp_bias_sgd")
    add("run1", 1, rows=[build.summary_row(case, median_seconds=5e-3)])
    add("run2", 2, cpu=OTHER)
    site()
    told = words(tmp_path / "site" / "index.html")
    assert told.index(f"{OTHER}, 2 CPUs, 7 GiB: the runs") < told.index("2.80GHz, 2 CPUs, 7 GiB: the runs")
    own = told.partition("mlp_bias_sgd: bias, SGD: the runs")[2].partition("Steps over time")[0]
    assert "2026-03-01 10:00 - no speedup" in own  # its baseline was not measured
    assert "2026-03-02" not in own


def test_a_history_tells_first_last_and_each_run_of_its_machine(add: Add, site: Site, tmp_path: Path) -> None:
    for day, seconds in enumerate((1e-3, 2e-3, 4e-3), start=1):
        add(f"run{day}", day, seconds)
    add("run9", 9, 8e-3, cpu=OTHER)
    site()
    (page,) = (tmp_path / "site" / "steps").glob("*torch-autograd*")
    told = words(page)
    assert "4 runs have a time of it, in 2 series" in told
    assert "The newest of 3 runs took 4.00 ms (95 % interval 4.00 … 4.00 ms); that is 4.00 times the first." in told
    assert "It takes 10 runs to tell a change from noise." in told
    assert "One run has a time of it here: 8.00 ms" in told
    assert re.findall(r'href="\.\./runs/(\w+)', page.read_text()) == ["run1", "run2", "run3", "run9"]
    index = words(tmp_path / "site" / "index.html")
    assert "torch_autograd torch-cpu 3 1.00 ms 4.00 ms 4.00 … 4.00 ms 4.00 -" in index


def test_a_change_stands_in_the_history(add: Add, site: Site, tmp_path: Path) -> None:
    for day in range(1, 11):
        add(f"run{day:02}", day, (1e-3 if day <= 5 else 2e-3) * (1 + 0.001 * (day % 3)))
    site()
    (page,) = (tmp_path / "site" / "steps").glob("*torch-autograd*")
    assert "Its time changed 1 time, the last time by +100 % in run run06." in words(page)


def test_a_step_of_one_run_has_no_page_and_is_counted(add: Add, site: Site, build: ModuleType, tmp_path: Path) -> None:
    add("run1", 1)
    add("run2", 2, rows=[build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=1e-3)])
    site()
    assert not list((tmp_path / "site" / "steps").glob("*torch-nn*"))
    assert "1 step has a time in one run only" in words(tmp_path / "site" / "index.html")


def test_machines_stand_side_by_side_with_the_newest_time_of_each_and_no_verdict(
    add: Add, site: Site, build: ModuleType, tmp_path: Path
) -> None:
    lonely = build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=1e-3)
    add("run1", 1, 1e-3, 2.0)
    add("run2", 2, 3e-3, 2.5, rows=[lonely])
    add("run3", 3, 5e-3, 1.5, cpu=OTHER, packages={"numpy": "9.9"})
    site()
    told = words(tmp_path / "site" / "machines.html")
    assert "2 machines, with the newest time that each has of a step. This judges nothing" in told
    assert f"A {OTHER}, 2 CPUs, 7 GiB 1 2026-03-03 10:00 B Imaginary Processor 3000 @ 2.80GHz, 2 CPUs, 7 GiB 2" in told
    assert "numpy 9.9 2.4.6" in told.partition("What differs")[2].partition("The same in all")[0]
    own = told.partition("torch_autograd on torch-cpu")[2]
    row = f"{OTHER}, 2 CPUs, 7 GiB 5.00 ms 1.50x 1.50 … 1.50 numpy_manual 5.00 … 5.00 ms 2026-03-03 10:00 run by run"
    assert row in own
    assert "Imaginary Processor 3000 @ 2.80GHz, 2 CPUs, 7 GiB 3.00 ms 2.50x" in own
    assert "1.00 ms" not in own
    assert "1 step has a time on one machine only" in own


def test_one_machine_alone_is_described(add: Add, site: Site, tmp_path: Path) -> None:
    add("run1")
    site()
    told = words(tmp_path / "site" / "machines.html")
    assert "All runs are of one machine" in told
    assert "Imaginary Processor 3000 @ 2.80GHz, 2 CPUs, 7 GiB 1 2026-03-01 10:00" in told
    assert "What differs" not in told


def test_figures_of_machines_show_the_newest_run_of_each(
    add: Add, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, str]] = []
    empty = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>'

    def picture(data: Any, name: str, kind: str, look: Any) -> bytes:
        shown.append((name, data.run_id))
        return empty

    for day, cpu in enumerate(("", "", OTHER), start=1):
        add(f"run{day}", day, cpu=cpu)
    monkeypatch.setattr("bench.output.figures.picture", picture)
    site("other")  # whose reports are not drawn
    assert {runs for name, runs in shown if name.startswith("runs_")} == {"run3, run2"}
    assert 'id="f-runs_speedup"' in (tmp_path / "other" / "machines.html").read_text()


def test_machines_without_a_step_in_common_have_no_figure(
    add: Add, site: Site, build: ModuleType, runs: Path, tmp_path: Path
) -> None:
    add("run1")
    row = build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=1e-3)
    facts = build.make_manifest().machine | {"cpu": OTHER}
    build.write_summary_run(runs / "run2", [row], run_id="run2", machine=facts)
    site()
    assert "<figure" not in (tmp_path / "site" / "machines.html").read_text()
    assert "3 steps have a time on one machine only" in words(tmp_path / "site" / "machines.html")


def test_two_machines_of_the_same_words_are_numbered(add: Add, site: Site, build: ModuleType, tmp_path: Path) -> None:
    for day, model in enumerate(("6/1", "6/2"), start=1):
        add(f"run{day}", day, machine=build.make_manifest().machine | {"cpu_model": model})
    site()
    told = words(tmp_path / "site" / "index.html")
    assert "7 GiB (1): the runs" in told
    assert "7 GiB (2): the runs" in told


def test_building_again_writes_nothing(add: Add, site: Site, tmp_path: Path) -> None:
    for day in (1, 2):
        add(f"run{day}", day)
    assert len(site()) == 6
    before = pages(tmp_path / "site")
    assert site() == []
    assert pages(tmp_path / "site") == before


def test_only_what_a_new_run_is_part_of_is_made_anew(add: Add, site: Site, build: ModuleType, tmp_path: Path) -> None:
    other = [build.summary_row(build.make_case("torch_nn", "torch-cpu"), median_seconds=1e-3)]
    for day in (1, 2):
        add(f"run{day}", day, rows=other)
    site()
    add("run3", 3)
    made = [line.removeprefix(f"wrote {tmp_path / 'site'}/") for line in site()]
    assert [re.sub(r"-[0-9a-f]{16}", "", name) for name in made] == [
        "runs/run3.html",
        "steps/mlp-sgd-numpy-manual-numpy.html",
        "steps/mlp-sgd-torch-autograd-torch-cpu.html",
        "machines.html",
        "index.html",
    ]


def test_another_stepbench_makes_all_anew(add: Add, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    add("run1")
    made = site()
    monkeypatch.setattr("bench.output.site.build.version", lambda package: "99")
    assert site() == made


def test_a_run_that_is_gone_takes_its_pages_with_it(
    add: Add, site: Site, links: Links, runs: Path, tmp_path: Path
) -> None:
    for day in (1, 2):
        add(f"run{day}", day)
    site()
    shutil.rmtree(runs / "run2")
    site()
    found = set(pages(tmp_path / "site"))
    assert found == {"index.html", "machines.html", "runs/run1.html", RECORD}
    assert not (tmp_path / "site" / "steps").exists()
    links(tmp_path / "site")


def test_the_same_files_give_the_same_bytes_wherever_they_lie(
    add: Add, whole_reports: None, site: Site, runs: Path, tmp_path: Path
) -> None:
    from bench.output.site.build import build as build_site

    for day in (1, 2):
        add(f"run{day}", day, cpu=OTHER if day == 2 else "")
    (add("broken", 3) / SUMMARY).unlink()
    site()
    moved = tmp_path / "elsewhere" / "kept"
    shutil.copytree(runs, moved)
    build_site(moved, tmp_path / "second", print)
    first = pages(tmp_path / "site")
    assert pages(tmp_path / "second") == first
    for name, content in first.items():
        assert str(tmp_path).encode() not in content, name


def test_a_run_that_cannot_be_read_is_told_of_and_the_others_stand(
    add: Add, site: Site, runs: Path, tmp_path: Path
) -> None:
    add("good", 1)
    (add("killed", 2) / SUMMARY).unlink()
    (add("damaged", 3) / SUMMARY).write_text("nonsense\n")
    shutil.copytree(runs / "good", runs / "good-copy")
    lines = [line for line in site() if line.startswith("Passed over")]
    assert len(lines) == 3
    told = words(tmp_path / "site" / "index.html")
    assert "3 runs were passed over : the reasons stand at the end." in told
    assert "finish it with bench run --resume results/killed" in told
    assert "results/damaged/summary.csv is not a summary.csv of stepbench" in told
    assert "results/good-copy is a copy of run good" in told


def test_a_run_without_a_report_is_listed_with_the_reason(add: Add, site: Site, links: Links, tmp_path: Path) -> None:
    add("good", 1)
    (add("half", 2) / "processes.csv").write_text("nonsense\n")
    lines = site()
    assert [line for line in lines if line.startswith("No report")] != []
    told = words(tmp_path / "site" / "index.html")
    assert "no report: results/half/processes.csv is not a processes.csv" in told
    assert ("index.html", "runs/half.html") not in links(tmp_path / "site")


def test_a_run_in_which_nothing_was_measured_is_listed(
    add: Add, site: Site, build: ModuleType, runs: Path, tmp_path: Path
) -> None:
    add("good", 1)
    row = build.summary_row(build.make_case(), status="failed", reason="broke", method=None, clock=None)
    created = "2026-03-02T10:00:00+00:00"
    build.write_summary_run(runs / "bad", [row], run_id="bad", created=created)
    site()
    told = words(tmp_path / "site" / "index.html")
    assert "nothing was measured" in told
    assert "1 case failed; no report: results/bad has no case that was measured" in told


def test_what_is_no_run_is_recognised_or_left_alone(add: Add, site: Site, runs: Path, tmp_path: Path) -> None:
    add("good")
    for name, file in {"ab-1": "pairs.csv", "ab-2": "verdicts.json", "bisect-1": "bisect.json", "notes": "x"}.items():
        (runs / name).mkdir()
        (runs / name / file).write_text("")
    (runs / "calibration.json").write_text("{}")
    benchmark = ForeignBenchmark(name="b", seconds=1e-3)
    told_by = {"tool": "pyperf", "measured_by": "pyperf 2.9", "file": "x.json", "sha256": "0" * 64}
    foreign = ForeignRun(run_id="x", created="2026-03-01T00:00:00+00:00", benchmarks=[benchmark], **told_by)
    for name, content in {"imported": foreign.model_dump_json(), "import-2": "{}"}.items():
        (runs / name).mkdir()
        (runs / name / FOREIGN).write_text(content)
    assert [line.partition(" is not ")[0] for line in site() if "Passed over" in line] == [
        f"Passed over: {runs / 'import-2' / FOREIGN}"
    ]
    told = words(tmp_path / "site" / "index.html")
    assert "1 run was imported from other tools" in told
    assert "1 run was passed over" in told
    assert "2 folders of bench ab or bench gate hold comparisons of pairs, which are no run." in told
    assert "1 folder of bench bisect holds a search." in told
    assert "notes" not in told


def test_a_site_among_the_runs_is_no_run(add: Add, site: Site, runs: Path) -> None:
    add("good")
    site("results/site")
    assert site("results/site") == []
    assert "site" not in words(runs / "site" / "index.html").partition("Steps over time")[2]


def test_without_a_run_there_is_no_site(site: Site, runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run that can be read"):
        site()
    assert not (tmp_path / "site").exists()


def test_names_that_do_their_worst_are_texts(
    add: Add, whole_reports: None, site: Site, links: Links, build: ModuleType, runs: Path, tmp_path: Path
) -> None:
    worst = "\"'><script>alert(1)</script>&`{{7*7}}**\u202e"
    for day, name in enumerate((worst, "a/../../b", "é中🙂"), start=1):
        case = build.make_case(worst, "torch-cpu")
        rows = [build.summary_row(case, median_seconds=1e-3)]
        made = add(f"run{day}", day, cpu=worst, rows=rows, run_id=name, git_revision=worst)
        made.rename(runs / (f"{day}{worst}".replace("/", "") if day == 1 else f"Run {day}"))
    site()
    found = pages(tmp_path / "site")
    assert len([name for name in found if name.startswith("runs/")]) == 3
    assert any("script-alert-1-script" in name for name in found if name.startswith("steps/"))
    for name, content in found.items():
        assert b"<script" not in content, name
    links(tmp_path / "site")
    told = words(tmp_path / "site" / "index.html")
    assert "<script>alert(1)</script>&`{{7*7}}**\\u202e" in told


def test_a_page_fetches_nothing(add: Add, whole_reports: None, site: Site, tmp_path: Path) -> None:
    for day in (1, 2):
        add(f"run{day}", day)
    site()
    for name, content in pages(tmp_path / "site").items():
        text = content.decode()
        if name == RECORD:
            assert json.loads(text)["site"] == 1
            continue
        assert "default-src 'none'" in text
        assert not re.search(r"<(script|iframe|img|object|form)|https?://|url\((?!#)", text), name
        assert re.findall(r'<link [^>]*href="([^"]*)"', text) == ["data:,"]


def test_a_case_that_makes_no_sense_costs_its_run_alone(
    add: Add, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from bench.output.site import build as building

    read = building.summary_rows

    def strict(frame: Any) -> Any:
        if "odd" in set(frame["run_id"]):
            raise DataFormatError("A row of run odd holds a case that makes no sense.")
        return read(frame)

    monkeypatch.setattr(building, "summary_rows", strict)
    add("good", 1)
    add("odd", 2)
    site()
    told = words(tmp_path / "site" / "index.html")
    assert "results/odd: A row of run odd holds a case that makes no sense." in told
