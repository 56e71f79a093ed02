"""A real implementation on the model of a CUDA stream, and what every time of it must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bench import Device, Settings, Step
from bench.data.schema import Method
from bench.model.case import Mode
from bench.model.data import Data
from bench.model.discovery import discover
from bench.model.registry import Build, Implementation
from bench.timing.measure import Sampling, measure
from bench.timing.modes import build_in_mode
from bench.timing.passes import Rig
from bench.timing.policy import Sample, SamplingPolicy
from bench.workloads import tutorial

PROBLEM = tutorial(batch=4, d_in=6, hidden=5, d_out=3, steps=400)
POLICY = SamplingPolicy(
    queue_seconds=0.5e-3,
    process_seconds=5e-3,
    lead_seconds=0.2e-3,
    min_turns=2,
    max_turns=3,
    max_units=1,
    warmup_min_seconds=1e-3,
    warmup_max_seconds=1e-2,
    variant_cycles=1,
    device_samples=2,
    device_sample_seconds=0.1e-3,
)
FULL_POLICY = replace(POLICY, device_sample_seconds=SamplingPolicy.device_sample_seconds)
"""As many iterations a sample by the device's clock as a run takes."""
PHASES = ("forward", "backward", "update")


def implementations() -> dict[str, Implementation]:
    """All of torch's. What a captured graph does is not in the model, so those for cuda alone are left out."""
    return {
        item.name: item for item in discover() if item.framework == "torch" and item.by_default and not item.devices
    }


@dataclass(frozen=True)
class Setup:
    """A device of the model, and a step on it."""

    cuda: Any
    device: Device
    step: Step
    data: Data
    cycle: int
    kernels: tuple[int, int, int]
    """Of the three phases in one cycle of steps."""
    cold: bool = False

    @property
    def rig(self) -> Rig:
        """As a measuring process makes it."""
        flush = self.device.flush if self.cold else None
        return Rig(self.step, self.cuda.now, self.device.synchronize, flush, self.device.stream)

    def measured(self, policy: SamplingPolicy = POLICY) -> tuple[Sample, ...]:
        """By the real code, from warm-up to the last sample."""
        options = {"variants": self.data.depths, "cycle": self.cycle, "policy": policy}
        return measure(Sampling(self.rig, resolution=1, steps=PROBLEM.steps, **options), policy)

    def kernels_of(self, sample: Sample) -> float:
        """How many kernels a sample ran."""
        counts = {**dict(zip(PHASES, self.kernels, strict=True)), "step": sum(self.kernels)}
        return counts[sample.phase] * sample.iterations / self.cycle

    def host_time(self, kernels: float, parts: int) -> float:
        """What so many kernels take by the host's clock, synchronised after each of so many parts.

        Whichever is slower, launching or computing, sets the pace; the other one is seen once, at an end.
        """
        costs = self.cuda.costs
        slow, quick = max(costs.launch, costs.kernel), min(costs.launch, costs.kernel)
        return float(kernels * slow + parts * (quick + costs.synchronize))

    def allowed(self, sample: Sample) -> int:
        """What the resolution of events may make of a sample: of two pairs of events, or of one pair a phase."""
        resolution = int(self.cuda.costs.resolution)
        return 2 * resolution if sample.method is Method.BATCHED else 3 * resolution * sample.iterations

    def problems(self, found: Sequence[Sample]) -> set[str]:
        """What of a measurement is not as the model has it: nothing, if the timing code is right."""
        wrong = set()
        for sample in found:
            if sample.variant is not None:
                continue
            kernels = self.kernels_of(sample)
            if sample.clock == "device":
                if sample.flags:
                    wrong.add(f"device {sample.flags}")
                if abs(sample.nanoseconds - kernels * self.cuda.costs.kernel) > self.allowed(sample):
                    wrong.add(f"device {sample.phase}")
                continue
            parts = 1 if sample.method is Method.WHOLE and not self.cold else sample.iterations
            if sample.flags or sample.nanoseconds != self.host_time(kernels, parts):
                wrong.add(f"host {sample.method} {sample.phase}")
        return wrong


def of_device(found: Sequence[Sample]) -> list[Sample]:
    """The samples by the device's clock."""
    return [sample for sample in found if sample.clock == "device"]


def count_kernels(cuda: Any, step: Step, cycle: int) -> tuple[int, int, int]:
    """Of one cycle of steps, the first one being over: optimisers make their state in that."""
    counts = [0, 0, 0]
    for number in range(2 * cycle):
        for index, stage in enumerate(step.stages):
            before = cuda.kernels
            stage.run()
            counts[index] += (cuda.kernels - before) * (number >= cycle)
    step.reset()
    cuda.synchronize()
    return counts[0], counts[1], counts[2]


@contextmanager
def set_up(virtual: Any, name: str, mode: Mode, build: Build | None, costs: dict[str, int]) -> Iterator[Setup]:
    """An implementation on a fresh model, which stands in for CUDA meanwhile.

    Args:
        virtual: the module of the model.
        name: the implementation.
        mode: where its batch is and what the caches hold.
        build: what builds the step in its place; its kernels are still those of the implementation.
        costs: what differs from the model's own costs.
    """
    item = implementations()[name]
    data = item.workload.data(PROBLEM)
    with virtual.VirtualCuda(virtual.Costs(**costs)).installed() as cuda:
        device = virtual.VirtualBackend().open(Settings(1))
        honest = build_in_mode(item.build, PROBLEM, data, device, mode)
        kernels = count_kernels(cuda, honest, item.workload.cycle)
        step = honest if build is None else build(PROBLEM, data, device)
        yield Setup(cuda, device, step, data, item.workload.cycle, kernels, mode.cold)
