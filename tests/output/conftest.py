"""What a terminal shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import pytest
from rich.console import Console

from bench.output.document import Block
from bench.output.render.terminal import render


@pytest.fixture(scope="session")
def shown() -> Callable[..., str]:
    """What a terminal of some width shows of blocks, without colours; never wider than the terminal."""

    def show(blocks: Iterable[Block], width: int = 140) -> str:
        stream = io.StringIO()
        Console(file=stream, width=width, highlight=False).print(render(blocks, width))
        text = stream.getvalue()
        assert max((len(line) for line in text.splitlines()), default=0) <= width
        return text

    return show


@pytest.fixture(scope="session")
def words(shown: Callable[..., str]) -> Callable[..., str]:
    """The words of that, however lines were wrapped."""
    return lambda blocks, width=140: " ".join(shown(blocks, width).split())
