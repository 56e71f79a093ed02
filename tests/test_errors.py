from __future__ import annotations

import errno
import os

import pytest

from bench.errors import os_cure


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        ("ENOSPC", "free space"),
        ("EDQUOT", "free space"),
        ("EFBIG", "ulimit -f"),
        ("EACCES", "permissions"),
        ("EPERM", "permissions"),
        ("ENAMETOOLONG", "shorten"),
        ("ENOENT", "path"),
        ("ENOTDIR", "is a file"),
        ("EISDIR", "folder"),
        ("EMFILE", "ulimit -n"),
        ("ENOMEM", "memory"),
    ],
)
def test_an_error_of_the_system_has_its_own_cure(number: str, cure: str) -> None:
    error = OSError(getattr(errno, number), os.strerror(getattr(errno, number)))
    assert cure in os_cure(error)
    assert os_cure(error, "go elsewhere") == f"{os_cure(error)} or go elsewhere"
    assert ("space" in os_cure(error)) == (number in ("ENOSPC", "EDQUOT")), "not every error is a full disk"


@pytest.mark.parametrize("error", [OSError(errno.EROFS, "Read-only file system"), OSError(errno.EIO, "I/O error")])
def test_where_nothing_helps_on_the_spot_only_another_place_is_offered(error: OSError) -> None:
    assert os_cure(error, "choose another --out") == "choose another --out"
    assert os_cure(error) == error.strerror


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert os_cure(OSError("it broke")) == "it broke"
