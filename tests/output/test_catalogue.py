from __future__ import annotations

from pathlib import Path

from bench.output import figures
from bench.output.catalogue import calibration_figures, figure_names, figure_titles, several_figures


def test_what_the_files_say_is_what_the_modules_say() -> None:
    titles = figure_titles()
    assert calibration_figures() == ("power",)
    assert several_figures() == ("runs_speedup", "runs_time", "runs_time_size")
    assert sorted(titles) == sorted([*figures.names(), *calibration_figures(), *several_figures()])
    assert titles == {name: figures.about(name).title for name in titles}
    assert all(titles.values())


def test_a_module_that_begins_with_an_underscore_is_no_figure(tmp_path: Path) -> None:
    for name in ("zebra.py", "_shared.py", "ant.py", "notes.txt"):
        (tmp_path / name).write_text("")
    assert figure_names([tmp_path]) == ("ant", "zebra")
