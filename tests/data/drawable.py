"""Runs to draw, made row by row or sample by sample."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.analysis.summarise import summarise
from bench.data.crossing import Crossing, CrossoverRow
from bench.data.schema import Method, Status, SummaryRow
from bench.data.store import RunStore, read_manifest, read_processes, read_samples
from bench.model.columns import SIZE_PREFIX
from bench.model.workload import WORKLOADS
from bench.workloads import SIZES, tutorial

PARTS = {"forward": 0.3, "backward": 0.5, "update": 0.2}


class Summarised:
    """A run of which there is a summary only, made row by row."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.rows: list[SummaryRow] = []
        self.manifest: dict[str, Any] = {}

    def write(self) -> Path:
        """The run's folder."""
        folder: Path = self.build.write_summary_run(self.folder, self.rows, **self.manifest)
        return folder


def ends(name: str, value: float, low: float, high: float, interval: bool) -> dict[str, float]:
    """The columns of a number and, if known, of the ends of its interval."""
    return {name: value} | ({f"{name}_low": low, f"{name}_high": high} if interval else {})


def took(seconds: float, low: float, high: float, interval: bool) -> dict[str, float]:
    """The columns of a time, with ends of its interval that are multiples of it."""
    known = {"low_seconds": seconds * low, "high_seconds": seconds * high} if interval else {}
    return {"median_seconds": seconds} | known


class Measured(Summarised):
    """Summary rows of cases that went well."""

    def add(
        self,
        implementation: str,
        backend: str = "torch-cpu",
        workload: str = "mlp_sgd",
        *,
        seconds: float = 4e-4,
        speedup: float | None = None,
        interval: bool = True,
        phases: Method | None = Method.STAGED,
        stretch: float = 1.1,
        tax: float | None = None,
        **row: Any,
    ) -> None:
        """One case: a whole step, and phases that take `stretch` times as long together; `tax` is the sync tax."""
        case = self.build.make_case(implementation, backend, workload)
        values: dict[str, Any] = took(seconds, 0.93, 1.08, interval)
        if speedup is not None:
            values |= {"baseline": WORKLOADS[workload].baseline}
            values |= ends("speedup", speedup, speedup * 0.85, speedup * 1.12, interval)
        if tax is not None:
            values |= ends("sync_tax", tax, tax - 0.012, tax + 0.034, interval)
        self.rows.append(self.build.summary_row(case, **(values | row)))
        for phase, part in PARTS.items() if phases else ():
            each = seconds * part * (stretch if phases is Method.STAGED else 0.5)
            self.rows.append(self.build.summary_row(case, phase=phase, method=phases, median_seconds=each, share=part))

    def contenders(
        self, names: Iterable[str], workload: str = "mlp_sgd", backends: Iterable[str] = ("torch-cpu",)
    ) -> None:
        """A baseline, and these beside it, from slower to faster."""
        self.add(WORKLOADS[workload].baseline, "numpy", workload, speedup=1.0, tax=0.0)
        for (index, name), backend in itertools.product(enumerate(names), backends):
            speedup, tax = 0.4 + 0.23 * index, 0.05 * index - 0.04
            self.add(name, backend, workload, seconds=4e-4 / speedup, speedup=speedup, tax=tax)


class Swept(Summarised):
    """Summary rows over sizes: a line takes a constant time plus a rate times the size; the baseline's comes first."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        super().__init__(build, folder)
        self.axis, self.sizes = "batch", [16, 64, 256, 1024]
        self.crossovers: list[CrossoverRow] = []
        self.manifest = {"peaks": [build.make_peak()]}
        self._baselines: dict[tuple[Any, ...], float] = {}

    def line(
        self,
        implementation: str,
        backend: str = "torch-cpu",
        workload: str = "mlp_sgd",
        *,
        constant: float = 1e-4,
        rate: float = 1e-6,
        threads: int = 2,
        interval: bool = True,
        broken: dict[int, tuple[Status, str]] | None = None,
        **problem: Any,
    ) -> None:
        """One contender at all sizes but those at which it is broken."""
        for size in self.sizes:
            sizes = tutorial(**(problem | {self.axis: size}))
            case = self.build.make_case(implementation, backend, workload, threads, sizes)
            if broken and size in broken:
                status, reason = broken[size]
                values: dict[str, Any] = {"status": status, "reason": reason, "verified": False}
                self.rows.append(self.build.summary_row(case, method=None, clock=None, **values))
                continue
            seconds = constant + rate * size
            of, side = WORKLOADS[workload].baseline, (workload, threads, sizes)
            if implementation == of:
                self._baselines[side] = seconds
            flops = WORKLOADS[workload].flops(sizes, "step") or 0.0
            values = {"gflops": flops / seconds / 1e9, **took(seconds, 0.9, 1.15, interval)}
            if side in self._baselines:
                speedup = self._baselines[side] / seconds
                values |= {"baseline": of, **ends("speedup", speedup, speedup * 0.88, speedup * 1.1, interval)}
            self.rows.append(self.build.summary_row(case, **values))

    def contenders(self, names: Iterable[str], workload: str = "mlp_sgd", **options: Any) -> None:
        """A baseline, and these beside it: slow to start and fast to go on, so that each overtakes it once."""
        self.line(WORKLOADS[workload].baseline, "numpy", workload, constant=5e-5, rate=2e-6, **options)
        for index, name in enumerate(names):
            constant, rate = 8e-5 + 3e-5 * index, 2e-6 / (2.2 + 0.4 * index)
            self.line(name, "torch-cpu", workload, constant=constant, rate=rate, **options)
            self.crossing(name, size=(constant - 5e-5) / (2e-6 - rate), workload=workload, **options)

    def crossing(
        self,
        a: str,
        b: str = "",
        *,
        size: float | None,
        backends: tuple[str, str] = ("torch-cpu", "numpy"),
        threads: int | tuple[int, int] = 2,
        workload: str = "mlp_sgd",
        status: Crossing = Crossing.FOUND,
        interval: bool = True,
        **row: Any,
    ) -> None:
        """`a` overtakes `b`, the baseline unless told otherwise."""
        of_a, of_b = threads if isinstance(threads, tuple) else (threads, threads)
        problem = tutorial(**{name: row.pop(name) for name in [*row] if name in (*SIZES, "dtype")})
        of = b or WORKLOADS[workload].baseline
        upper, lower = (
            self.build.make_case(name, backend, workload, count, problem)
            for name, backend, count in zip((a, of), backends, (of_a, of_b), strict=True)
        )
        axis = f"{SIZE_PREFIX}{self.axis}"
        who = dict(upper.contender.columns)
        values: dict[str, Any] = {"faster_below": "b", "faster_above": "a", "size": size}
        if interval and size is not None:
            values |= {"size_low": size * 0.9, "size_high": size * 1.12}
        self.crossovers.append(
            CrossoverRow(
                run_id=self.build.RUN_ID,
                axis=axis,
                common={name: value for name, value in upper.columns.items() if name != axis and name not in who},
                a=upper.contender,
                b=lower.contender,
                status=status,
                smallest=min(self.sizes),
                largest=max(self.sizes),
                sizes=len(self.sizes),
                **(values | row),
            )
        )

    def write(self) -> Path:
        """The run's folder."""
        RunStore(super().write()).write_crossovers(self.crossovers)
        return self.folder


class Sampled:
    """A run with samples, summarised as a real one is; its times are random, but always the same."""

    def __init__(self, build: ModuleType, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.cases: list[tuple[tuple[str, str, str], dict[str, Any]]] = []
        self.manifest: dict[str, Any] = {}

    def add(self, implementation: str, backend: str = "torch-cpu", workload: str = "mlp_sgd", **options: Any) -> None:
        """One case; for the options see `_measure`, the others are those of `build.make_case`."""
        self.cases.append(((implementation, backend, workload), options))

    def write(self) -> Path:
        """The run's folder."""
        made = self.build.HandMade(self.folder)
        own = {"seconds", "processes", "samples", "phases", "flags", "stretch", "row"}
        cases = [
            (made.plan(*names, **{key: options[key] for key in options.keys() - own}), options)
            for names, options in self.cases
        ]
        random = np.random.default_rng(0)
        for number in range(max(options.get("processes", 8) for _, options in cases)):
            for case, options in cases:
                if number < options.get("processes", 8):
                    self._measure(made, case, number, random, **{key: options[key] for key in options.keys() & own})
        folder: Path = made.write(**self.manifest)
        rows = summarise(read_manifest(folder), read_samples(folder), read_processes(folder))
        RunStore(folder).write_summary(rows)
        return folder

    def _measure(
        self,
        made: Any,
        case: Any,
        number: int,
        random: Any,
        seconds: float = 4e-4,
        processes: int = 8,
        samples: int = 10,
        phases: bool = True,
        stretch: float = 1.02,
        flags: Mapping[tuple[int, int], str] | None = None,
        row: Callable[[int], dict[str, Any]] = lambda number: {},
    ) -> None:
        """The process of one round: so many samples around so many seconds; flags by process and sample of a case."""
        level = seconds * random.lognormal(0, 0.04)
        times = level * np.exp(random.exponential(0.02, samples))
        parts = {name: [level * part * stretch] * 2 for name, part in PARTS.items()} if phases else None
        made.process(case, number, step=times.tolist(), phases=parts, iterations=3, **row(number))
        for (process, sample), words in (flags or {}).items():
            if process == number:
                place = len(made.samples) - sum(map(len, (parts or {}).values())) - samples + sample
                made.samples[place] = dataclasses.replace(made.samples[place], flags=words)


KINDS = {"measured": Measured, "swept": Swept, "sampled": Sampled}
