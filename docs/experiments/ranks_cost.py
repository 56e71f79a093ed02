"""What ordering each call of the other ranks costs: an order, a wait, and a step beside the same step in a free loop.

    python docs/experiments/ranks_cost.py [BLOCKS]

Two ranks build `torch_ddp`. In turns, rank 0 leads 20 steps call by call, as the engine does, and both ranks run 20
steps in a loop of their own, as under torchrun; whole blocks are timed on rank 0, between two waits for both.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import median

from bench.model.device import Settings
from bench.model.discovery import discover
from bench.model.problem import Dtype
from bench.model.step import BACKWARD, FORWARD, UPDATE, Stage, State, Step
from bench.run.spread import cpus_of_ranks
from bench.timing.ranks import Place, Wire, calls_of, gather
from bench.workloads import tutorial

LOOP, STEPS = 200, 20
CPUS = cpus_of_ranks(2)
SIZES = ({}, {"batch": 512, "hidden": 400})


def build(place: Place, sizes: dict[str, int]) -> tuple[Step, object]:
    """Build the step of one rank, on a CPU of its own."""
    from bench.model.backends import BACKENDS

    item, backend = discover()["torch_ddp"], BACKENDS["torch-cpu"]
    problem = tutorial(dtype=Dtype.FLOAT32, **sizes)
    device = backend.open(Settings(1, place=place.rank))
    return item.build(problem, place.part_of(item.workload.data(problem), problem.sizes["batch"]), device), device


def pin(place: Place) -> None:
    """Give a rank a CPU of its own."""
    os.sched_setaffinity(0, place.cpus(CPUS))


def follow(place: Place, wire: Wire) -> None:
    """Do what rank 0 orders: single calls, or a whole loop."""
    pin(place)
    os.environ.update(wire.told() | place.environment)
    step, device = build(place, SIZES[int(os.environ["SIZES"])])
    calls = calls_of(step, device, wire)
    wire.follow({**calls, LOOP: lambda: [step() for _ in range(STEPS)]})


def compare(number: int, blocks: int) -> None:
    """Print the cost at one size."""
    from bench.model.backends import BACKENDS

    os.environ["SIZES"] = str(number)
    team = gather(2, follow)
    pin(team.place)
    os.environ.update({**team.meet(BACKENDS["torch-cpu"].meet(2)), **team.place.environment})
    step, device = build(team.place, SIZES[number])
    led, device = team.leading(step), team.waiting(device)
    loop = team.doing(LOOP, lambda: [step() for _ in range(STEPS)])

    def timed(run: object) -> float:
        device.synchronize()
        start = time.perf_counter()
        run()
        device.synchronize()
        return (time.perf_counter() - start) / STEPS * 1e6

    pairs = [(timed(lambda: [led() for _ in range(STEPS)]), timed(loop)) for _ in range(blocks)]
    by_order, free = zip(*pairs, strict=True)
    ratio = median(a / b for a, b in pairs)
    print(f"{SIZES[number] or 'tutorial'}: led {median(by_order):.0f} us, free {median(free):.0f} us", end="; ")  # noqa: T201
    print(f"least {min(by_order):.0f} and {min(free):.0f} us; led / free, median of {blocks} pairs: {ratio:.3f}")  # noqa: T201
    team.close()


def empty(blocks: int) -> None:
    """Print what an order and a wait take, with steps that do nothing."""

    def nothing() -> Step:
        stages = tuple(Stage(phase, lambda: None) for phase in (FORWARD, BACKWARD, UPDATE))
        return Step(stages, lambda: State(0.0), lambda: None)

    from bench.model.device import Device

    device = Device("cpu", "", 1, None, lambda array: array, lambda: None)

    def idle(place: Place, wire: Wire) -> None:
        pin(place)
        wire.told()
        wire.follow(calls_of(nothing(), device, wire))

    team = gather(2, idle)
    pin(team.place)
    team.meet({})
    led, waiting = team.leading(nothing()), team.waiting(device)
    orders, waits = [], []
    for _ in range(50 * blocks):
        start = time.perf_counter()
        led()
        middle = time.perf_counter()
        waiting.synchronize()
        orders.append((middle - start) / 3 * 1e6)
        start = time.perf_counter()
        waiting.synchronize()
        waits.append((time.perf_counter() - start) * 1e6)
    print(f"an order: {median(orders):.1f} us (least {min(orders):.1f}); ", end="")  # noqa: T201
    print(f"a wait for the other rank: {median(waits):.1f} us (least {min(waits):.1f})")  # noqa: T201
    team.close()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    empty(count)
    if os.fork() == 0:  # torch has run nothing yet where ranks are forked
        compare(0, count)
        os._exit(0)
    os.wait()
    compare(1, count)
