"""`bench plot`: the figures of a stored run, of several side by side, or of a calibration."""

from __future__ import annotations

from pathlib import Path

import click

from bench.errors import UsageError
from bench.options import BASELINE, names_of
from bench.options.paths import READ
from bench.output.streams import note, say


class _WithFigures(click.Command):
    """A command whose help ends with the figures there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and titles of all figures."""
        from bench.output.catalogue import figure_titles

        with formatter.section("Figures"):
            formatter.write_dl(list(figure_titles().items()))


def _labels(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return the labels by the names of implementations, or fail with a usage error."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, label = (part.strip() for part in value.partition("="))
        if not (name and equals and label) or not label.isprintable():
            raise UsageError(f"--rename is {value!r}: write NAME=LABEL, such as torch_nn=PyTorch.")
        if name in found:
            raise UsageError(f"--rename names {name!r} twice: leave out one of them.")
        found[name] = label
    return found


@click.command(cls=_WithFigures)
@click.argument("runs", metavar="RUN ...", nargs=-1, required=True, type=READ)
@click.option(
    "--figure", multiple=True, metavar="NAME", help="Only this one of the figures below; repeat, or use commas."
)
@click.option("--format", "formats", default="png,svg", show_default=True, help="Any of png, svg, pdf, with commas.")
@click.option(
    "--width",
    type=click.Choice(["column", "page", "slide"]),
    default="page",
    show_default=True,
    help="A column of a paper (3.5 in), a page (7.2 in), or a slide of 16:9 (13.33 in); letters fit each.",
)
@click.option(
    "--style",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Dark ink on light paper, or the other way round.",
)
@click.option("--no-title", is_flag=True, help="Leave the title to the caption of a paper.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Show only this implementation; repeat, or use commas. All keep their colours.",
)
@click.option(
    "--order",
    multiple=True,
    metavar="NAME",
    help="Show this implementation first, then the next one named.  [default: the fastest first]",
)
@click.option(
    "--rename",
    multiple=True,
    metavar="NAME=LABEL",
    callback=_labels,
    help="Call an implementation so in the figures; repeat it for others.",
)
@BASELINE
@click.option(
    "--output",
    "--out",
    "into",
    type=READ,
    metavar="FOLDER",
    help="Of several runs: draw into the figures/ folder in this one.  [default: several]",
)
def plot(
    runs: tuple[Path, ...],
    figure: tuple[str, ...],
    formats: str,
    width: str,
    style: str,
    no_title: bool,
    only: tuple[str, ...],
    order: tuple[str, ...],
    rename: dict[str, str],
    baseline: str,
    into: Path | None,
) -> None:
    """Draw the figures of a run from its files, into its figures/ folder; of several runs those that compare them.

    Without --figure all that there is something for. Drawing twice gives the same bytes; `bench explain` tells
    from a figure's file which data it shows and how to draw it again.

    \b
      bench plot results/RUN                                 all, for a page
      bench plot results/RUN --figure speedup,phases --format pdf --width column
      bench plot results/RUN --width slide --style dark      NAME-slide-dark.png
      bench plot results/RUN --no-title --only torch_nn,mine --rename mine=Ours
      bench plot results/A results/B results/C               runs side by side, into several/figures/
      bench plot CALIBRATION.json                            power, beside the file

    Of several runs, of any machines or versions and also imported ones, there are the figures runs_...: a colour for
    each run. RUN may be a file that `bench doctor --calibrate` wrote; its figure is drawn beside it.
    """
    from bench.output.figures import FORMATS, Choice, Look, Style, Width, data_of, draw, draw_calibration

    kinds = names_of([formats])
    if not kinds or set(kinds) - set(FORMATS):
        raise UsageError(f"--format is {formats!r}: give any of {', '.join(FORMATS)}, separated by commas.")
    look = Look(Width(width), Style(style), titled=not no_title)
    given = {"--baseline": baseline, "--only": only, "--order": order, "--rename": rename}
    folder = runs[0]
    if len(runs) == 1 and folder.is_file():
        for option in filter(given.get, given):
            raise UsageError(f"{option} is for the figures of a run, and {folder} is a file: leave it out.")
        draw_calibration(folder, names_of(figure), kinds, look, report=say)
        return
    data = data_of(runs, into, baseline, Choice(names_of(only), names_of(order), rename))
    done = draw(data.folder, names_of(figure), kinds, look, data, report=say)
    for name, reason in done.left_out.items():
        note(f"No {name}: {reason}")
