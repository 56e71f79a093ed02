"""manifest.json: what a run was made of, everything that is not a number of samples.csv."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from bench.data.schema import SCHEMA_VERSION, STEP
from bench.errors import quoted
from bench.machine.variables import UNSET
from bench.model.case import CASE_COLUMNS, Case
from bench.model.columns import SIZE_PREFIX

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Nothing but what is known, and no number that is none."""


class Peak(BaseModel):
    """What one backend reached at most with given threads, number format and precision."""

    model_config = STRICT

    backend: str
    device: str
    dtype: str
    threads: PositiveInt
    precision: str
    gflops: PositiveFloat
    """Square matrix product, 10^9 floating-point operations per second: the best of several."""
    matmul_size: PositiveInt
    gigabytes_per_second: PositiveFloat
    """Bytes read plus bytes written by a copy inside the device's memory, 10^9 a second: the best of several."""
    copy_bytes: PositiveInt

    def times(self, devices: int) -> Peak:
        """Return what so many devices reach together at most."""
        if devices == 1:
            return self
        rates = {name: getattr(self, name) * devices for name in ("gflops", "gigabytes_per_second")}
        return self.model_copy(update=rates)


class PlannedCase(BaseModel):
    """A case of the run's plan, and why it will not run if it will not."""

    model_config = STRICT

    columns: dict[str, str | int]
    """Values of the case's columns; see `Case.columns`."""
    skipped: str = ""
    """Why the case cannot run here; empty for a case that is measured."""
    added: bool = False
    """Whether it joined the run later: a size around a crossover."""

    @field_validator("columns")
    @classmethod
    def _is_a_case(cls, columns: dict[str, str | int]) -> dict[str, str | int]:
        for column in CASE_COLUMNS:
            if column.name not in columns:
                raise ValueError(f"a case without {column.name}")
            value = columns[column.name]
            if not (isinstance(value, int) and value >= 1 if column.kind is int else isinstance(value, str) and value):
                raise ValueError(f"a case whose {column.name} is {quoted(value)}")
        Case.from_columns(columns)
        return columns


class WorkloadFacts(BaseModel):
    """What a stored run must know of a workload to be drawn without the file that made it."""

    model_config = STRICT

    title: str
    baseline: str
    """Implementation that speedups are stated over."""
    sizes: list[str]
    """Names of its sizes."""
    reference: bool = True
    """Whether a float64 reference that knows its edges sets what is allowed; else perturbed runs of its baseline do."""
    unverified: str = ""
    """Reason of its author why it is not verified; empty if it is."""


class CountedWork(BaseModel):
    """The operations of a workload at some sizes, counted while its baseline ran, if its author does not give them."""

    model_config = STRICT

    workload: str
    sizes: dict[str, PositiveInt]
    flops: dict[str, NonNegativeFloat]
    """Floating-point operations in the products of each stage."""

    def of(self, phase: str) -> float | None:
        """Return the operations of a phase, of several that are fused, or of the whole step; None if not known."""
        if phase == STEP:
            return sum(self.flops.values())
        if phase in self.flops:
            return self.flops[phase]
        parts = [self.flops.get(part) for part in phase.split("+")]
        return None if None in parts else sum(part for part in parts if part is not None)


class OddFacts(BaseModel):
    """The difference of a machine from the others of its run that its rounds make sure of."""

    model_config = STRICT

    factor: PositiveFloat
    """Its time over that of the others."""
    p: Annotated[float, Field(ge=0, le=1)]
    """See `bench.stats.machines`."""


class ImplementationFacts(BaseModel):
    """The facts of an implementation that tell of what kind the cases of a stored run are."""

    model_config = STRICT

    compiles: bool = False
    """Whether its first step compiles."""
    devices: list[str] = []
    """The kinds of device that it is written for; every kind if empty."""
    spreads: str = ""
    """The implementation whose step it spreads over devices; empty for a step of one process."""


class Manifest(BaseModel):
    """What a run was made of: everything that is not a number of samples.csv."""

    model_config = STRICT

    schema_version: int = SCHEMA_VERSION
    run_id: str
    created: str
    """Start, UTC, ISO 8601."""
    stepbench: str
    command: list[str]
    seed: NonNegativeInt
    budget_seconds: PositiveFloat
    """Time to measure in; the command keeps some of its own budget back for summary and figures."""
    rounds: PositiveInt | None
    """Rounds asked for; None if `within` and the budget decide."""
    cold: PositiveInt = 1
    """Processes of each case that compiles which began with an empty compiler cache."""
    within: PositiveFloat = 0.02
    """Half an interval over its speedup that was good enough to stop."""
    timeout_seconds: PositiveFloat | None = None
    """Longest silence of a process that was asked for; None for the default."""
    process_seconds: PositiveFloat | None = None
    """How long each process sampled; worked out from the budget when the run began."""
    cpu: NonNegativeInt | None = None
    """The CPU that processes of one thread were pinned to; None if there was none such or it could not be done."""
    environment: dict[str, str] = {}
    """Variables that change results or speed, as far as they were set; of paths the last part."""
    looked_for: str = "OMP_* MKL_* KMP_* GOMP_* OPENBLAS_* TF_NUM_* TF_ENABLE_*"
    """Patterns of the variables that `environment` would hold, separated by spaces; the first runs had only these."""
    load: list[str] = []
    """Files of implementations that were named on the command line: whoever goes on with the run names them again."""
    loaded: dict[str, str] = {}
    """SHA-256 of these files when the run began; the first runs did not say."""
    sources: dict[str, str] = {}
    """SHA-256 of each implementation's file, and of each module of the user's that its processes imported, as
    `IMPLEMENTATION/MODULE`."""
    rounds_done: NonNegativeInt = 0
    ended_by: str = "unfinished"
    """`precision`, `budget`, `rounds`, `failures` if no case was left, `interrupted`, or `unfinished` while the run
    goes on or if it was killed."""
    wall_seconds: NonNegativeFloat | None = None
    machine: dict[str, str | int | float | None]
    """Facts of the machine that was measured on; where there were several, of the first of them."""
    launcher: str = ""
    """What started rounds on other machines, as `--on` has it; empty where they ran on this one."""
    nodes: PositiveInt | None = None
    """The most rounds that the launcher had run at once."""
    machines: dict[str, dict[str, str | int | float | None]] = {}
    """Facts of the machines that the launcher's rounds ran on, by name; all of one kind."""
    odd_machines: dict[str, OddFacts] = {}
    """Those of them that surely differ from the others, by name."""
    packages: dict[Annotated[str, Field(min_length=1)], str]
    backend_packages: dict[str, list[str]] = {}
    """Packages whose versions decide the times of each backend of the run."""
    step_packages: dict[str, list[str]] = {}
    """Other packages that each implementation's processes imported."""
    facts: dict[str, dict[str, str]] = {}
    """Settings of each backend: what was pinned and what is in use, as the measuring process reported it."""
    turns: bool = False
    """Whether the processes of a round were alive together and took turns; in earlier runs each measured by itself."""
    peaks: list[Peak] = []
    """Measured before the first round."""
    git_revision: str | None = None
    constraints_sha256: str | None = None
    disturbances: list[str] = []
    baseline: str = ""
    """What speedups are over, as `--baseline` has it; empty: each workload's own."""
    axes: dict[str, list[int | str]] = {}
    """Axes of a sweep with their values, as asked for; refinement adds others in between."""
    crossover_within: PositiveFloat | None = None
    """Half a crossover's interval over its size that is good enough in a sweep; None: crossovers are not refined."""
    workloads: dict[str, WorkloadFacts] = {}
    """Workloads of the run's cases, by name, in the order of tables."""
    fits: dict[str, dict[str, PositiveInt | None]] = {}
    """Largest values that fit in memory, as `--axis NAME=START:fit` found them: by size, then by implementation and
    backend; None where the first did not fit, or could not be tried."""
    counted: list[CountedWork] = []
    """Operations of workloads whose authors do not give their cost."""
    implementations: dict[str, ImplementationFacts] = {}
    """Implementations of the run's cases, by name; the first runs did not say."""
    cases: list[PlannedCase]

    def work_of(self, workload: str, sizes: Mapping[str, int]) -> CountedWork | None:
        """Look up what was counted of a workload at these sizes; None if nothing was."""
        found = (item for item in self.counted if item.workload == workload and item.sizes == dict(sizes))
        return next(found, None)

    def variable(self, name: str) -> str | None:
        """Return a variable's value, or that it was not set; None if the run did not look for it."""
        known = any(fnmatchcase(name, pattern) for pattern in self.looked_for.split())
        return (self.environment[name] or "empty") if name in self.environment else UNSET if known else None

    @property
    def size_columns(self) -> tuple[str, ...]:
        """The columns of the sizes of its workloads, each once."""
        names = dict.fromkeys(name for item in self.workloads.values() for name in item.sizes)
        return tuple(f"{SIZE_PREFIX}{name}" for name in names)

    @model_validator(mode="after")
    def _plan_makes_sense(self) -> Manifest:
        known = set()
        for item in self.cases:
            if item.columns["workload"] not in self.workloads:
                raise ValueError(
                    f"the workload {quoted(item.columns['workload'])} of a case is not among its workloads"
                )
            known.add(tuple(sorted(item.columns.items())))
        if len(known) < len(self.cases):
            raise ValueError("a case stands twice among its cases")
        return self
