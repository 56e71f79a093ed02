from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from matplotlib.layout_engine import LayoutEngine

from bench.output.figures import FORMATS, Look
from bench.output.figures._file import rendered
from bench.output.provenance import Provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTES = Provenance(stepbench="0", figure="f", run_id="r", data_sha256="0", command="bench plot r", measured_by="")


class Shaky(LayoutEngine):
    """Lays out as matplotlib's own does, whose solver goes through memory in the order of addresses."""

    _adjust_compatible, _colorbar_gridspec = True, True

    def __init__(self, error: float) -> None:
        super().__init__()
        self.error = error

    def execute(self, fig: Figure) -> None:
        fig.axes[0].set_position((0.3 + self.error, 0.2 - self.error, 0.5, 0.6 + 2 * self.error))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_last_bits_of_a_layout_do_not_show(kind: str) -> None:
    from matplotlib.figure import Figure

    def content(error: float) -> bytes:
        figure = Figure(figsize=(2, 2), layout=Shaky(error))
        axes = figure.add_subplot()
        axes.plot([1, 2, 3])
        axes.grid()
        return rendered(lambda: figure, kind, Look(), NOTES)

    assert content(0) == content(1e-16) == content(-1e-15)
    assert content(0) != content(0.01)
