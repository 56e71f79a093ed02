"""What of a folder of implementations is one: not what editors leave there, nor what cannot be read to an end."""

from __future__ import annotations

import os
from pathlib import Path

from bench.model.loading import programs_in


def test_hidden_files_pipes_and_broken_links_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_own.py", ".a.py", "#a.py#", "a.py~", ".#b.py", "a.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / ".#a.py").symlink_to("user@host.123:456")
    (tmp_path / "gone.py").symlink_to("nowhere")
    (tmp_path / "linked.py").symlink_to("a.py")
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    assert [path.name for path in programs_in(tmp_path)] == ["a.py", "b.py", "linked.py"]
    assert programs_in(tmp_path / "nowhere") == []
