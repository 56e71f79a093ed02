"""Figures as pictures, each held against the PNG of its name in baseline/, such as `phases-column-dark.png`.

`make baselines` draws them anew; look at them before you commit. To add one, make an empty file of its name first.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager, ft2font
from numpy.typing import NDArray
from PIL import Image

from bench.data.manifest import ImplementationFacts
from bench.data.schema import Method
from bench.errors import NothingToShowError
from bench.model.precision import Precision
from bench.output import figures
from bench.output.catalogue import calibration_figures
from bench.output.figures import Look, RunData, Style, Width, _look
from bench.run.calibration import Calibration, Rate
from bench.stats.rates import binomial_interval
from bench.workloads import tutorial

Picture = NDArray[np.int16]

BASELINES = Path(__file__).with_name("baseline")
_DPI = 60
_TILE, _MOST = 16, 2.5
"""Nowhere may a tile of so many pixels' width differ by more than so many of 255 steps, root mean square. Another
processor may round the edges of letters by a step or two; half a grid line that is one grey darker is seen.
"""


_BY_THE_LAST = ("ladder", "profile")
"""Figures that show more of the last run than of the first that has something for them."""


@pytest.fixture(scope="module")
def runs(new: Callable[[str, Path], Any], tmp_path_factory: pytest.TempPathFactory) -> list[RunData]:
    """Runs made by hand; a figure is drawn of the first that has something for it."""
    folder = tmp_path_factory.mktemp("pictures")
    measured = new("measured", folder / "measured")
    measured.contenders(["torch_autograd", "torch_custom_function", "torch_nn"], backends=["torch-cpu", "torch-cuda"])
    measured.add("tf_static_graph", "tf-graph", speedup=0.5, seconds=8e-4, phases=Method.PROFILED)
    measured.contenders(["torch_optim"], "mlp_bias_adam")
    sampled = new("sampled", folder / "sampled")
    for index, name in enumerate(("numpy_manual", "torch_autograd", "torch_tensor")):
        backend = "torch-cpu" if index else "numpy"
        sampled.add(name, backend, seconds=4e-4 + 3e-5 * index, stretch=0.98 + 0.04 * index)
    rounded = new("sampled", folder / "rounded")
    for index, name in enumerate(("torch_autograd", "torch_nn")):
        for place, (precision, error) in enumerate({"full": 3e-7, "tf32": 4e-4, "amp-bf16": 3e-3}.items()):
            rounded.add(
                name,
                "torch-cuda",
                seconds=4e-4 / (1 + 0.4 * place + 0.2 * index),
                precision=Precision(precision),
                row=lambda number, error=error: {"gradient_error": error * (1 + number / 8)},
            )
    climbed = new("sampled", folder / "climbed")
    climbed.manifest = {"implementations": {"torch_compiled": ImplementationFacts(compiles=True)}}
    climbed.add("numpy_manual", "numpy", seconds=8e-4, threads=1)
    for name, seconds, threads in (("torch_nn", 5e-4, 1), ("torch_nn", 3e-4, 2), ("torch_compiled", 2e-4, 2)):
        for hidden in (100, 200):
            climbed.add(name, seconds=seconds * hidden / 100, threads=threads, problem=tutorial(hidden=hidden))
    climbed.add("torch_compiled", seconds=3e-4, threads=2, precision=Precision.AMP_BF16)
    swept = new("swept", folder / "swept")
    swept.manifest = {"peaks": [swept.build.make_peak(gflops=700.0, gigabytes_per_second=60.0)]}
    swept.contenders(["torch_autograd", "torch_nn"])
    swept.line("numpy_adam", "numpy", "mlp_bias_adam", rate=3e-6, hidden=200)
    swept.line("torch_optim", "torch-cpu", "mlp_bias_adam", rate=2e-6, hidden=200)
    weighed = new("measured", folder / "weighed")
    for index, (name, backend) in enumerate((("numpy_manual", "numpy"), ("torch_nn", "torch-cpu"))):
        memory = {"step_peak_bytes": (33 + 9 * index) << 20, "framework_bytes": (31 + 196 * index) << 20}
        weighed.add(name, backend, **memory)
    spread = new("sampled", folder / "spread")
    spread.manifest = {"implementations": {"torch_ddp": ImplementationFacts(spreads="torch_nn")}}
    spread.add("torch_nn", workload="mlp_bias_sgd", seconds=8e-4, threads=1)
    for devices, seconds in ((1, 1e-3), (2, 6e-4), (4, 4e-4)):
        share = {"communication_share": 0.1 * devices}
        options = {"seconds": seconds, "threads": 1, "row": lambda number, share=share: share}
        spread.add("torch_ddp", workload="mlp_bias_sgd", devices=devices, **options)
        if devices > 1:
            more = tutorial(batch=64 * devices)
            spread.add(
                "torch_ddp", workload="mlp_bias_sgd", devices=devices, problem=more, **options | {"seconds": 1.2e-3}
            )
    return [RunData(made.write()) for made in (measured, sampled, rounded, swept, spread, climbed, weighed)]


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """The file of a calibration made by hand."""

    def rate(happened: int, trials: int) -> Rate:
        low, high = binomial_interval(happened, trials)
        return Rate(happened=happened, trials=trials, low=low, high=high)

    found = Calibration(
        fingerprint="0123456789abcdef",
        created="2026-02-03T04:05:06+00:00",
        implementation="torch_autograd on torch-cpu",
        pairs=44,
        seconds=600.0,
        false_positives=rate(1, 24),
        power={"2%": rate(9, 24), "5%": rate(22, 24), "10%": rate(24, 24)},
        localised=rate(54, 55),
        alpha=0.01,
        tolerance=0.05,
        cpu="Imaginary Processor 3000",
    )
    path = tmp_path / "0123456789abcdef.json"
    path.write_text(found.model_dump_json(), encoding="utf-8")
    return path


def check_matplotlib(root: Path) -> None:
    """Another version of matplotlib, of FreeType or of the fonts draws other pictures: nothing can be said there.

    The test is then skipped, but fails if `STEPBENCH_REQUIRE`, names with commas, has `pictures`.
    """
    (pinned,) = re.findall(r"^matplotlib==(.*)$", (root / "constraints.txt").read_text(), flags=re.MULTILINE)
    reason = ""
    if mpl.__version__ != pinned:
        reason = f"matplotlib {pinned}, and this is {mpl.__version__}"
    elif ft2font.__freetype_build_type__ != "local":
        reason = "the FreeType that matplotlib brings, and this one has another"
    elif not Path(font_manager.findfont("DejaVu Sans")).resolve().is_relative_to(Path(mpl.get_data_path()).resolve()):
        reason = "the fonts that matplotlib brings, and this one found others"
    if reason:
        required = "pictures" in os.environ.get("STEPBENCH_REQUIRE", "").split(",")
        (pytest.fail if required else pytest.skip)(f"the baselines are drawn with {reason}")


@pytest.fixture(autouse=True)
def known_matplotlib(root: Path) -> None:
    check_matplotlib(root)


@pytest.fixture
def picture(runs: list[RunData], calibrated: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Picture]:
    """A figure with its look, such as `phases-column-dark`, as an array of height x width x 3."""
    monkeypatch.setattr(_look, "_DPI", _DPI)

    def draw(stem: str) -> Picture:
        name, *words = stem.split("-")
        look = Look()
        for word in words:
            look = replace(look, style=Style(word)) if word in set(Style) else replace(look, width=Width(word))
        if name in calibration_figures():
            (path,) = figures.draw_calibration(calibrated, [name], ["png"], look)
            return pixels(path)
        for run in runs if name not in _BY_THE_LAST else runs[::-1]:
            try:
                return pixels(figures.picture(run, name, "png", look))
            except NothingToShowError:
                continue
        raise AssertionError(f"no run here has something for {name}: extend the fixture `runs`")

    return draw


def pixels(content: bytes | Path) -> Picture:
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def difference(found: Picture, expected: Picture) -> str:
    """What a reader would see; empty if nothing."""
    if found.shape != expected.shape:
        return f"to {found.shape[1]} x {found.shape[0]} pixels from {expected.shape[1]} x {expected.shape[0]}"
    squares = np.square(found - expected, dtype=np.float64).mean(axis=2)
    height, width = (-(-side // _TILE) * _TILE for side in squares.shape)
    padded = np.zeros((height, width))
    padded[: squares.shape[0], : squares.shape[1]] = squares
    tiles = np.sqrt(padded.reshape(height // _TILE, _TILE, width // _TILE, _TILE).mean(axis=(1, 3)))
    if tiles.max() <= _MOST:
        return ""
    down, across = (int(place) * _TILE for place in np.unravel_index(tiles.argmax(), tiles.shape))
    return f"by up to {tiles.max():.1f} steps, most around the pixel {across}, {down}"


@pytest.mark.parametrize("stem", sorted(path.stem for path in BASELINES.glob("*.png")))
def test_a_figure_looks_as_it_did(
    picture: Callable[[str], Picture], stem: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found, path = picture(stem), BASELINES / f"{stem}.png"
    if request.config.getoption("--renew-baselines"):
        if not path.stat().st_size or not np.array_equal(found, pixels(path)):
            Image.fromarray(found.astype(np.uint8)).save(path, optimize=True)
        return
    expected = pixels(path)
    seen = difference(found, expected)
    if seen:
        shown = [found, expected]
        if found.shape == expected.shape:
            shown.append(255 - np.abs(found - expected))
        for name, image in zip(("found", "expected", "difference"), shown, strict=False):
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{name}.png")
    assert seen == "", f"{stem} has changed: {seen}. See {tmp_path}; if it is meant so, `make baselines`."


# --- the comparison itself ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def speedup(new: Callable[[str, Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Picture]:
    """A small picture of three bars, of which one can be told apart."""

    def draw(name: str = "torch_nn", value: float = 1.6, workload: str = "mlp_sgd", **row: Any) -> Picture:
        made = new("measured", tmp_path_factory.mktemp("speedup") / "run")
        made.contenders(["torch_tensor", "torch_autograd"], workload)
        made.add(name, "torch-cpu", workload, speedup=value, **row)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_look, "_DPI", _DPI)
            return pixels(figures.picture(RunData(made.write()), "speedup", "png", Look()))

    return draw


@pytest.fixture(scope="module")
def usual(speedup: Callable[..., Picture]) -> Picture:
    """What the others are compared with, drawn once."""
    return speedup()


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "torch_mm"},
        {"value": 1.61},
        {"interval": False},
        {"speedup_high": 1.81},
        {"workload": "mlp_bias_sgd"},
        {"name": "torch_nn_and_longer"},
    ],
    ids=str,
)
def test_a_changed_label_bar_or_whisker_is_seen(
    speedup: Callable[..., Picture], usual: Picture, changed: dict[str, Any]
) -> None:
    assert difference(speedup(**changed), usual) != ""


def test_rounded_edges_are_not_seen(speedup: Callable[..., Picture], usual: Picture) -> None:
    noise = np.random.default_rng(0).integers(-3, 4, usual.shape)
    edges = (np.abs(np.diff(usual, axis=1, prepend=usual[:, :1])) > 8).any(axis=2, keepdims=True)
    assert difference(usual + noise.astype(np.int16) * edges, usual) == ""
    assert difference(speedup(), usual) == ""


@pytest.mark.parametrize("changed", [{"ink": "#333333"}, {"faint": "#BBBBBB"}, {"paper": "#FCFCFC"}])
def test_a_changed_colour_or_line_is_seen(
    speedup: Callable[..., Picture], usual: Picture, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str]
) -> None:
    monkeypatch.setitem(_look.THEMES, Style.LIGHT, replace(_look.LIGHT, **changed))
    assert difference(speedup(), usual) != ""
