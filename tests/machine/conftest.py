"""Systems that are not there: files of the kernel below a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

System = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def system(tmp_path: Path) -> System:
    """Write files by their paths, and return the folder that stands for the root."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name.removeprefix("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write
