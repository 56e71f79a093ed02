"""The plan of `bench gpu-proof`: which commands it runs, and who judges their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import UsageError
from bench.model.discovery import built_in
from bench.run import gpu_judges as judges
from bench.run.gpu_proof import ProofPart

CUDA = "cuda"
_ROOT = Path(__file__).resolve().parents[2]
_GPT = tuple(str(_ROOT / "docs" / "examples" / name) for name in ("mini_gpt.py", "mini_gpt_graph.py"))
_TESTS = ("tests/gpu/test_real_gpu.py", "tests/implementations/test_cuda_graphs.py", "tests/backends/test_nvidia.py")
"""The files that hold tests marked `cuda`."""
_DOCTORS = "tests/gpu/test_real_gpu.py::test_the_doctor_finds_nothing_wrong"
"""The test that asks what the first part of the proof asks."""
PROGRAMS = "programs"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    programs: tuple[str, ...] = ()
    """Implementations; those of the tutorial, with their baselines and CUDA graphs, if empty."""
    crossing: str = "torch_autograd"
    """The implementation whose device overtakes its CPU."""
    axis: str = "hidden=16:4096:x16"
    rounds: int = 6
    """Fewer give no interval."""
    pairs: int = 8
    patience: float = 1.0
    """How many times as long as on a GPU a command may take: one that is simulated is slow."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The options that choose the programs."""
        return ("-i", ",".join(self.programs)) if self.programs else ()


EXTENT = Extent()
"""What the command measures."""


def planned_parts(device: str, load: Sequence[Path], extent: Extent) -> tuple[ProofPart, ...]:
    """List the parts of a proof, the most telling first: what the budget has no room for stands at the end.

    Compiled steps, CUDA graphs, several precisions and this project's own `cuda` tests are CUDA's alone.

    Args:
        device: the kind of device.
        load: files of backends or implementations.
        extent: how much is measured.

    Raises:
        UsageError: this is no checkout, so that examples and tests are missing.
    """
    _check_checkout()
    patient = extent.patience
    files = tuple(word for path in load for word in ("--load", str(path.resolve())))
    here = ("--device", device, *files)
    rounds = ("--rounds", str(extent.rounds), "--threads", "1", "--out", "{folder}")
    one_round = ("--rounds", "1", "--budget", "30s", "--threads", "1", "--no-figures", "--out", "{folder}")
    doctor, sweep, run = (("-m", "bench", name) for name in ("doctor", "sweep", "run"))
    trial = (*doctor, "--calibrate", *here, "--pairs", str(extent.pairs), "--budget", "1s", "--json")
    swept = (*sweep, *files, "-i", extent.crossing, "--axis", extent.axis, *rounds, "--budget", f"{80 * patient:g}s")
    programs = (*run, *files, *extent.chosen, *rounds, "--budget", f"{150 * patient:g}s")
    parts = (
        ProofPart(
            "doctor", (judges.DOCTOR, judges.CLOCK), (*doctor, *here, "--json"), judges.judge_doctor, 120 * patient
        ),
        ProofPart("trial", (judges.SAME, judges.PLANTED), trial, judges.judge_trial, 120 * patient),
        ProofPart("sweep", (judges.CROSSOVER,), swept, partial(judges.judge_sweep, device=device), 110 * patient),
        ProofPart(PROGRAMS, (judges.PROGRAMS,), programs, partial(judges.judge_programs, device=device), 180 * patient),
    )
    modes = (*run, *here, "--modes", "all", *one_round)
    if device != CUDA:
        return (
            *parts,
            ProofPart("modes", (judges.MODES,), (*modes, *extent.chosen), judges.judge_modes, 150 * patient),
        )
    return (*parts, *_of_cuda(extent, here, modes, one_round))


def _of_cuda(
    extent: Extent, here: tuple[str, ...], modes: tuple[str, ...], one_round: tuple[str, ...]
) -> tuple[ProofPart, ...]:
    """List the parts that only CUDA has; the last one is the longest, and the one that may be missed."""
    gpt = tuple(word for path in _GPT for word in ("--load", path))
    precisions = ("--precision", ",".join(judges.PROVED))
    ways = ("-m", "bench", "run", *here, *gpt, "-i", "mini_gpt.eager,mini_gpt.compiled,mini_gpt_graph")
    tests = ("-m", "pytest", "-m", "cuda", "-q", "-rfEs", "--color=no", *_TESTS, "--deselect", _DOCTORS)
    programs = extent.programs or tuple(
        item.name for item in built_in() if item.by_default and item.framework == "torch"
    )
    # Compiled steps only in the first mode: each of their cases begins with an empty cache and compiles for itself.
    every = (*modes, *precisions, *gpt, "-i", ",".join([*programs, "mini_gpt.eager", "mini_gpt_graph"]))
    return (
        ProofPart("gpt", (judges.GPT, judges.PRECISIONS), (*ways, *precisions, *one_round), judges.judge_gpt, 150),
        ProofPart("tests", (judges.TESTS,), tests, judges.judge_tests, 120),
        ProofPart("modes", (judges.MODES,), every, judges.judge_modes, 240, least_seconds=30),
    )


def _check_checkout() -> None:
    needed = [*_GPT, *(str(_ROOT / test) for test in _TESTS)]
    if missing := [path for path in needed if not Path(path).is_file()]:
        raise UsageError(f"{missing[0]} is missing: run gpu-proof in a checkout of the project.")
