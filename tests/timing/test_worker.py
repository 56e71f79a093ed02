"""What one measuring process does with a request, without a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.schema import Method, Status
from bench.model.data import make_data
from bench.model.problem import Problem
from bench.model.registry import BUILT_IN
from bench.model.workload import WORKLOADS
from bench.oracle.truth import make_truth, save_truth
from bench.timing.measure import Policy
from bench.timing.protocol import Request
from bench.timing.worker import work

SMALL = Problem(batch=8, d_in=6, hidden=5, d_out=3)
QUICK = Policy(sample_seconds=1e-4, process_seconds=1e-3, warmup_min_seconds=1e-4, warmup_max_seconds=1e-2)
SOURCE = (BUILT_IN / "numpy_bias_sgd.py").read_text(encoding="utf-8")
Write = Callable[[str, str], Path]


@pytest.fixture
def ask(tmp_path: Path, write: Write) -> Callable[..., object]:
    workload = WORKLOADS["mlp_bias_sgd"]
    save_truth(make_truth(workload, make_data(SMALL, workload), SMALL.dtype), tmp_path / "truth.npz")

    def do(text: str = SOURCE, policy: Policy | None = QUICK) -> object:
        path = write("mine.py", text)
        return work(Request(f"file:{path}", "numpy_bias_sgd", "numpy", SMALL, 1, str(tmp_path / "truth.npz"), policy))

    return do


def test_a_right_implementation_is_verified_then_measured(ask: Callable[..., object]) -> None:
    reply = ask()
    assert (reply.status, reply.reason) == (Status.OK, "")
    assert reply.verification.passed
    assert reply.threads == 1
    assert reply.peak_bytes > 1e6
    assert (reply.samples[0].phase, reply.samples[0].method) == ("first_step", Method.WHOLE)
    assert {sample.phase for sample in reply.samples} == {"first_step", "step", "forward", "backward", "update"}


def test_without_a_policy_it_is_only_verified(ask: Callable[..., object]) -> None:
    reply = ask(policy=None)
    assert reply.status is Status.OK
    assert reply.samples == ()


WRONG = SOURCE.replace("2.0 * (y_pred - y)", "2.1 * (y_pred - y)")
NAN = SOURCE.replace("2.0 * (y_pred - y)", "np.nan * (y_pred - y)")
RAISES = SOURCE.replace("        h = x @ w1 + b1\n", "        raise ValueError('the forward\\nphase broke')\n")
EXITS = SOURCE.replace("        h = x @ w1 + b1\n", "        raise SystemExit(0)\n")
PHASES = SOURCE.replace("Stage(BACKWARD, backward), ", "")
NO_STEP = SOURCE.replace("    return Step(", "    return (")
FUSED = SOURCE.replace('workload="mlp_bias_sgd")', 'workload="mlp_bias_sgd", fused=True)')


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        (WRONG, Status.WRONG, "the gradient of w2 is off by 5.0e-02 in step 1, where 1.0e-04 is allowed."),
        (NAN, Status.WRONG, "the gradient of w2 is not finite in step 1"),
        (RAISES, Status.FAILED, "ValueError: the forward phase broke"),
        (EXITS, Status.FAILED, "SystemExit: 0"),
        (PHASES, Status.FAILED, "The stages of a step cover forward, update: they must cover"),
        (NO_STEP, Status.FAILED, "build returned tuple: it must return a bench.Step."),
        (FUSED, Status.FAILED, "the step is separable, but @implementation says fused: set fused=False there."),
    ],
    ids=["wrong", "nan", "raises", "exits", "phases", "no step", "fused"],
)
def test_what_is_wrong_is_said_and_nothing_is_timed(
    ask: Callable[..., object], text: str, status: Status, reason: str
) -> None:
    assert text != SOURCE
    reply = ask(text)
    assert reply.status is status
    assert reply.reason.startswith(reason)
    assert "\n" not in reply.reason
    assert reply.samples == ()


def test_a_graph_that_was_pruned_is_wrong(tmp_path: Path, write: Write) -> None:
    """The values are right, but the operations that ran are too few to have computed them."""
    source = SOURCE.replace('workload="mlp_bias_sgd")', 'workload="mlp_bias_sgd", fused=True)')
    source = source.replace("from bench import ", "from bench import Operation, ")
    head, _, _ = source.partition("    return Step(")
    source = head + (
        "    def run():\n        forward(); backward(); update()\n"
        "    trace = lambda: (run(), tuple(Operation('forward/m', 'MatMul', 1e-6) for _ in range(2)))[1]\n"
        "    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset, trace)\n"
    )
    workload = WORKLOADS["mlp_bias_sgd"]
    save_truth(make_truth(workload, make_data(SMALL, workload), SMALL.dtype), tmp_path / "t.npz")
    path = write("mine.py", source)
    reply = work(Request(f"file:{path}", "numpy_bias_sgd", "numpy", SMALL, 1, str(tmp_path / "t.npz"), QUICK))
    assert reply.status is Status.WRONG
    assert reply.reason == "the graph ran 2 of 5 matrix products: part of the step was pruned away."
