"""How often verdicts are wrong on this machine, as once measured and kept under its fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from bench.data.foreign import told
from bench.data.jsonfile import as_model, json_of
from bench.data.manifest import STRICT
from bench.data.store import write_atomically
from bench.errors import DataFormatError, StorageError
from bench.machine.environment import machine_facts, package_versions
from bench.machine.identity import identity
from bench.machine.variables import counts, variables
from bench.model.backends import BACKENDS

HOME = "STEPBENCH_HOME"
Share = Annotated[float, Field(ge=0, le=1)]


class Rate(BaseModel):
    """How often something happened in trials, with the exact 95 % interval."""

    model_config = STRICT

    happened: NonNegativeInt
    trials: NonNegativeInt
    low: Share
    high: Share

    @model_validator(mode="after")
    def _counts_agree(self) -> Rate:
        if self.happened > self.trials or self.low > self.high:
            raise ValueError("more happened than was tried, or the ends of an interval are swapped")
        return self

    @property
    def text(self) -> str:
        """The rate in words."""
        return f"{self.happened} of {self.trials} ({self.low:.0%} to {self.high:.0%})"


class Calibration(BaseModel):
    """The error rates of verdicts, measured on one machine."""

    model_config = STRICT

    fingerprint: str
    created: str
    """When it was measured: UTC, ISO 8601."""
    implementation: str
    pairs: PositiveInt
    """How many pairs a verdict rested on at most."""
    seconds: NonNegativeFloat
    false_positives: Rate
    """How often the verdict was REGRESSION although both sides were the same."""
    power: dict[Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})?%$")], Rate]
    """How often a planted delay was called a REGRESSION, by its share of the step, such as `5%`."""
    localised: Rate
    """How often the right phase was named first, among the planted delays that were found."""
    alpha: Share | None = None
    """The chance of a false REGRESSION that the verdicts allow; earlier calibrations did not say."""
    tolerance: PositiveFloat | None = None
    """The slowdown that a PASS must surely stay under, as a share of the step."""
    cpu: str = ""
    """The processor's name."""
    stepbench: str = ""
    """The version that measured it."""

    def sentence(self) -> str:
        """Say in one sentence what a gate prints."""
        found = ", ".join(f"{share} in {rate.text}" for share, rate in self.power.items())
        return (
            f"Calibrated here on {self.created[:10]} with up to {self.pairs} pairs a verdict: false REGRESSION in "
            f"{self.false_positives.text}; found a planted {found}; right phase in {self.localised.text}."
        )


def fingerprint(
    facts: Mapping[str, object] | None = None,
    packages: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what must agree for a calibration to hold: machine, variables, Python and what the harness's backends use.

    Backends from loaded files do not count: whether one is loaded says nothing about the machine. Nor does its memory,
    of which a kernel keeps more or less: a digest cannot say that two amounts are nearly the same.
    """
    backends = [backend for backend in BACKENDS.values() if not backend.origin]
    facts = machine_facts() if facts is None else facts
    packages = package_versions(backends) if packages is None else packages
    environment = variables() if environment is None else environment
    parts = [f"{name}={value}" for name, value in identity(facts).items() if name != "memory_gib"]
    parts += [f"{name}={value}" for name, value in environment.items() if counts(name)]
    parts += [f"{name}={packages.get(name)}" for name in sorted({name for item in backends for name in item.packages})]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def home() -> Path:
    """Return the folder of what is kept from one command to the next on this machine.

    Raises:
        RuntimeError: the user's home folder is not known.
    """
    own, state = os.environ.get(HOME), os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return (Path(own) if own else Path(state) / "stepbench").expanduser()


def _path(mark: str) -> Path:
    return home() / "calibration" / f"{mark}.json"


def save(calibration: Calibration) -> Path:
    """Keep a calibration, and return its file.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        path = _path(calibration.fingerprint)
    except RuntimeError:
        raise StorageError(f"The home folder is not known, so nothing is kept: set {HOME} to a folder.") from None
    write_atomically(path, calibration.model_dump_json(indent=2) + "\n")
    return path


def read(path: Path) -> Calibration:
    """Read a calibration's file.

    Raises:
        DataFormatError: it cannot be read, or is no calibration.
    """
    try:
        return as_model(Calibration, json_of(path), path)
    except OSError as error:
        raise DataFormatError(
            f"{path} cannot be read ({error.strerror}): give what `bench doctor --calibrate` wrote."
        ) from error
    except DataFormatError as error:
        raise DataFormatError(
            f"{path} is no calibration{told(path)}: give the file that `bench doctor --calibrate` wrote."
        ) from error


def place_of(mark: str) -> Path | None:
    """Return the file of the calibration with this fingerprint; None if there is none here."""
    if Path(mark).name != mark:  # it may come from a figure's file and must not lead elsewhere
        return None
    try:
        path = _path(mark)
    except RuntimeError:  # the home folder is not known
        return None
    return path if path.is_file() else None


def load() -> Calibration | None:
    """Return the calibration of this machine as it is now; None if there is none that can be read."""
    mark = fingerprint()
    try:
        found = read(_path(mark))
    except (DataFormatError, RuntimeError):  # no file, damaged, or nobody knows where home is
        return None
    return found if found.fingerprint == mark else None
