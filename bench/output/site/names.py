"""The names of a site's pages, which every file system and every browser takes, whatever the runs are called."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata

from bench.model.case import Case

INDEX, MACHINES = "index.html", "machines.html"
RUNS, STEPS = "runs", "steps"
"""The folders of the reports, and of the histories of steps."""
PAGE = rf"({INDEX}|{MACHINES}|({RUNS}|{STEPS})/[a-z0-9-]{{1,80}}\.html)"
"""Every name that a page may have, as a regular expression."""
_DIGITS, _LONGEST = 16, 60
_MADE = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}\Z")
_TAKEN = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\Z")
"""Names of devices on Windows."""


def run_page(folder: str) -> str:
    """Return the name of a run's report.

    Args:
        folder: the name of the run's folder: no two runs of a site have the same. The page has it too, if it is short
            and plain; any other name becomes so, and gets a digest of its own. So no two pages differ in case only.
    """
    name = _plain(folder)
    if name != folder or _MADE.search(name) or _TAKEN.match(name):
        name = f"{name}-{_digest(os.fsencode(folder))}".lstrip("-")
    return f"{RUNS}/{name}.html"


def step_page(case: Case) -> str:
    """Return the name of a step's history; it does not depend on which others there are."""
    told = json.dumps(case.columns, sort_keys=True)
    name = _plain(f"{case.workload}-{case.implementation}-{case.backend}")
    return f"{STEPS}/{f'{name}-{_digest(told.encode())}'.lstrip('-')}.html"


def _plain(name: str) -> str:
    """Return a name in small letters, digits and single hyphens."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only)[:_LONGEST].strip("-")


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_DIGITS]
