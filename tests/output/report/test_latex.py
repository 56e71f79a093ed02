from __future__ import annotations

import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.output.document import Cell, Head, Row, RowGroup, Table
from bench.output.render.latex import MOST_ROWS, code, escape, parts
from bench.output.report import report

ARTICLE = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
%s
\end{document}
"""

Compile = Callable[[str, Path], str]


@pytest.fixture
def compiled(needs: Callable[[str, str], str]) -> Compile:
    """The text of an article's pages, after pdflatex has set it without an error."""
    tex, pdftotext = needs("tex", "pdflatex"), needs("poppler", "pdftotext")

    def run(body: str, folder: Path) -> str:
        (folder / "article.tex").write_text(ARTICLE % body, encoding="utf-8")
        command = [tex, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "article.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False, env=_environment())
        log = done.stdout.decode(errors="replace")
        assert done.returncode == 0, log[-3000:]
        (folder / "article.log.txt").write_text(log)
        shown = subprocess.run([pdftotext, "-layout", "article.pdf", "-"], cwd=folder, capture_output=True, check=True)
        return shown.stdout.decode()

    return run


def _environment() -> dict[str, str]:
    """Lines of the log are not cut, so that a message is found."""
    return {**os.environ, "max_print_line": "1000"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\", r"\textbackslash{}"),
        ("{x}", r"\{x\}"),
        ("50 % of a_b & c#d $1", r"50 \% of a\_b \& c\#d \$1"),
        ("^", r"\textasciicircum{}"),
        ("~45 %", r"\ensuremath{\sim}45 \%"),
        ("<>|", r"\textless{}\textgreater{}\textbar{}"),
        ('"`[]', '"`{[}{]}'),
        ("--threads ,, '' <<", r"-{}-threads ,{}, '{}' \textless{}\textless{}"),
        ("3 µs", r"3 \stepbenchmu{}s"),
        ("1 … 2", r"1 \ldots{} 2"),
        ("± 2 \u00d7 3 → 4", r"\ensuremath{\pm} 2 \ensuremath{\times} 3 \ensuremath{\rightarrow} 4"),
        ("80 °C", r"80 \ensuremath{^\circ}C"),
        ("“é Å ç ñ ß” \u2013 ő", "“é Å ç ñ ß” \u2013 ő"),
        ("\u03c3中🙂", "{[}U+03C3{]}{[}U+4E2D{]}{[}U+1F642{]}"),
        ("a\nb\tc\x07", "a b c{[}U+0007{]}"),
        ("\ud800", "{[}U+D800{]}"),
    ],
)
def test_escaping(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_code_may_be_broken_after_signs_and_inside_long_words() -> None:
    assert code("a_b") == r"\texttt{a\_\allowbreak{}b}"
    assert code("~/x --y") == r"\texttt{\textasciitilde{}\allowbreak{}/\allowbreak{}x -\allowbreak{}-\allowbreak{}y}"
    assert code("'`") == r"\texttt{\textquotesingle{}\allowbreak{}\textasciigrave{}\allowbreak{}}"
    assert code("0123456789") == r"\texttt{01234567\allowbreak{}89}"


def table(rows: int, groups: int = 1, width: int = 5) -> Table:
    heads = (Head("name"), Head("n", right=True), Head("m", right=True, begins=True))
    cells = (Cell("x" * width), Cell("1"), Cell("2"))
    made = tuple(RowGroup(f"g{number}", tuple(Row(cells) for _ in range(rows))) for number in range(groups))
    return Table("t", ("c",), heads, made)


def test_a_long_table_is_cut_into_parts_that_fit_a_page() -> None:
    found = parts(table(30, groups=4))
    lines = [sum(len(group.rows) + 1 for group in part.groups) for part in found]
    assert max(lines) <= MOST_ROWS
    assert sum(len(group.rows) for part in found for group in part.groups) == 120
    assert all(group.title for part in found for group in part.groups)
    assert len(parts(table(5))) == 1


def test_a_wide_table_is_cut_where_its_columns_say() -> None:
    found = parts(table(2, width=100))
    assert [part.places for part in found] == [(0, 1), (0, 2)]
    assert [part.layout for part in found] == [("l", "r"), ("l", "r")]


def test_long_texts_are_broken_into_lines() -> None:
    heads = (Head("a"), Head("b", wraps=True), Head("c", wraps=True))
    (part,) = parts(Table("t", ("c",), heads, (RowGroup("", (Row((Cell("x"), Cell("y " * 50), Cell("z"))),)),)))
    assert part.layout == ("l", r"p{0.93\linewidth}", "l")


def test_every_letter_that_is_let_through_can_be_set(compiled: Compile, tmp_path: Path) -> None:
    letters = [chr(number) for number in range(0xA0, 0x3000) if escape(chr(number)) == chr(number)]
    assert {"é", "Å", "ß", "ł", "ő", "“"} <= set(letters)
    shown = compiled("\n\n".join(f"{letter}x{code(letter)}" for letter in letters), tmp_path)
    assert shown.count("x") == len(letters)


def test_the_sample_compiles(sample: Path, compiled: Compile, tmp_path: Path, two_figures: None) -> None:
    text = report(sample, "latex")
    assert "{figures/phases-column.pdf}" in text
    assert re.findall(r"usepackage\{(\w+)\}", text) == ["booktabs", "graphicx"]
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert len(labels) == len(set(labels)) > 15
    (sample / "report.tex").write_text(text, encoding="utf-8")
    shown = compiled(r"\input{report.tex}", sample)
    for fact in ("Statistics & Probability Letters", "torch_custom_function", "0.881x", "Figure 2", "--threads 1"):
        assert fact in " ".join(shown.split()), fact
    assert "Float too large" not in (sample / "article.log.txt").read_text()


SET = (
    "<script>alert(1)</script>",
    "a|b\u2018\u2018c\u2018**d**e[f](g)<details>",
    "\u201dquoted\u201d\u2019single\u2019&amp;]]>--></svg></style>",
    "\\input{/etc/passwd}%\u223c\u02c6#$&{}100%\\\\\u03bc...±→é[U+4E2D][U+1F642]",
)
"""The hostile names as TeX sets them, without spaces and without underscores, which are lines in its fonts."""


def test_names_cannot_break_out(hostile: Path, compiled: Compile, two_figures: None) -> None:
    text = report(hostile, "latex")
    (hostile / "report.tex").write_text(text, encoding="utf-8")
    shown = unicodedata.normalize("NFKC", compiled(r"\input{report.tex}", hostile))
    assert "root:" not in shown
    joined = re.sub(r"[\s_]", "", shown)
    for name in SET:
        assert name in joined


def test_a_document_may_choose_its_own_commands(sample: Path, compiled: Compile, two_figures: None) -> None:
    (sample / "report.tex").write_text(report(sample, "latex"), encoding="utf-8")
    own = r"\newcommand{\stepbenchsection}[1]{\section*{Own #1}}\newcommand{\stepbenchtable}{table*}"
    assert "Own Methods" in compiled(own + "\n" + r"\input{report.tex}", sample)


def test_a_path_that_tex_cannot_read_is_refused(sample: Path, tmp_path: Path, quick_pictures: None) -> None:
    folder = tmp_path / "100%" / "run"
    shutil.copytree(sample, folder)
    with pytest.raises(UsageError, match="are at 100%/run/figures, which LaTeX cannot read: choose one in the run's"):
        report(folder, "latex", tmp_path)
    assert "{figures/speedup-column.pdf}" in report(folder, "latex", folder)
    assert "{../run/figures/speedup-column.pdf}" in report(folder, "latex", folder.parent / "paper")
