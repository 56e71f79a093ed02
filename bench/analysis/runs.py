"""Many runs at once: what the history of a machine is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.history import ForeignFiles, RunFiles, moment
from bench.data.foreign import FOREIGN, is_foreign, read_foreign, told
from bench.data.run import StoredRun
from bench.data.store import MANIFEST, PROCESSES, SUMMARY
from bench.errors import DataFormatError, StepbenchError, UsageError


@dataclass(frozen=True)
class PassedOver:
    """A folder that is no run, or one that cannot be read."""

    folder: Path
    reason: str


def read_runs(folder: Path) -> tuple[list[RunFiles], list[PassedOver]]:
    """Return every run right below a folder, by the names of their folders, and why others were passed over.

    What was imported from other tools is left to `read_imported`. Only manifests and summaries are read; processes.csv
    only where nothing else tells a GPU's name.

    Raises:
        DataFormatError: the folder itself cannot be read.
    """
    found: dict[tuple[str, str], RunFiles] = {}
    passed_over = []
    for path in folders_in(folder):
        if is_foreign(path):
            continue
        try:
            run = _read_run(path)
        except StepbenchError as error:
            passed_over.append(PassedOver(path, str(error)))
            continue
        key = (run.manifest.run_id, run.manifest.created)
        if key in found:
            passed_over.append(PassedOver(path, f"{path} is a copy of run {key[0]}, which is there already."))
        else:
            found[key] = run
    return list(found.values()), passed_over


def runs_below(
    folder: Path, tell: Callable[[PassedOver], object]
) -> tuple[list[RunFiles], list[ForeignFiles], list[PassedOver]]:
    """Return the runs right below a folder, those that were imported, and what was passed over.

    Args:
        folder: somebody named it.
        tell: is called with each that was passed over.

    Raises:
        UsageError: it is not a folder, or holds no run that can be read.
        DataFormatError: it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder{told(folder)}: name the one that holds the runs, such as results.")
    (own, odd), (foreign, damaged) = read_runs(folder), read_imported(folder)
    passed_over = [*odd, *damaged]
    for each in passed_over:
        tell(each)
    if not own and not foreign:
        raise UsageError(f"{folder} holds no run that can be read: measure one with `bench run`, or name a folder.")
    return own, foreign, passed_over


def read_imported(folder: Path) -> tuple[list[ForeignFiles], list[PassedOver]]:
    """Return every run right below a folder that was imported from another tool, and why others were passed over.

    Raises:
        DataFormatError: the folder itself cannot be read.
    """
    found, passed_over = [], []
    for path in filter(is_foreign, folders_in(folder)):
        try:
            run = read_foreign(path)
            moment(run.created)
        except StepbenchError as error:
            passed_over.append(PassedOver(path, str(error)))
            continue
        found.append(ForeignFiles(run, (path / FOREIGN,)))
    return found, passed_over


def folders_in(folder: Path) -> list[Path]:
    """Return the folders right below one, by their names; hidden ones are left out.

    Raises:
        DataFormatError: it cannot be read.
    """
    try:
        return sorted(item for item in folder.iterdir() if item.is_dir() and not item.name.startswith("."))
    except OSError as error:
        raise DataFormatError(f"{folder} cannot be read ({error.strerror}): name a folder that holds runs.") from error


def _read_run(folder: Path) -> RunFiles:
    run = StoredRun(folder)
    manifest, summary = run.manifest, run.summary
    files = [folder / MANIFEST, folder / SUMMARY]
    try:
        moment(manifest.created)
    except DataFormatError as error:
        raise DataFormatError(f"{folder}: {error}") from error
    on_gpu = summary[(summary["device"] != "cpu") & (summary["status"] == "ok")]["backend"].unique()
    gpus = {name: manifest.facts.get(name, {}).get("gpu_name", "") for name in map(str, on_gpu)}
    if not all(gpus.values()):
        processes = run.processes
        files.append(folder / PROCESSES)
        names = processes.drop_duplicates("backend").set_index("backend")["device_name"]
        gpus = {backend: name or str(names.get(backend, "")) for backend, name in gpus.items()}
    return RunFiles(manifest, summary, gpus, tuple(files))
