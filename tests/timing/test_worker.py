"""What one measuring process does with a request, without a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.backends.numpy import NumpyBackend
from bench.data.schema import Method, Status
from bench.model.case import Mode
from bench.model.discovery import BUILT_IN
from bench.model.precision import Precision
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import save_truth
from bench.timing import peaks
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import REPLY, TURN, TURNED, Reply, Request, Task, Turn
from bench.timing.tasks import work
from bench.timing.turns import serve_turns
from bench.workloads import tutorial

SMALL = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
QUICK = SamplingPolicy(
    turn_seconds=1e-3,
    lead_seconds=1e-4,
    queue_seconds=1e-4,
    warmup_min_seconds=1e-4,
    warmup_max_seconds=1e-2,
    energy_seconds=1e-3,
)
SOURCE = (BUILT_IN / "numpy_bias_sgd.py").read_text(encoding="utf-8")
Write = Callable[[str, str], Path]


class Script:
    """Stands for the channel to a parent that asks for two turns and for the end."""

    def __init__(self) -> None:
        self.asked = [Turn(0), Turn(1), None]
        self.sent: list[bytes] = []

    def receive(self) -> bytes:
        return TURN.dump_json(self.asked.pop(0))

    def send(self, line: bytes) -> None:
        self.sent.append(line)

    def beat(self) -> None: ...


def done(request: Request) -> Reply:
    """What comes of a request: the last reply, with the samples of all turns."""
    if request.task is not Task.TURNS:
        return work(request)
    script = Script()
    serve_turns(request, script)  # type: ignore[arg-type]
    turned = [TURNED.validate_json(line).samples for line in script.sent[1:-1]]
    last = REPLY.validate_json(script.sent[-1])
    return replace(last, samples=(*last.samples, *(sample for samples in turned for sample in samples)))


@pytest.fixture
def ask(tmp_path: Path, write: Write) -> Callable[..., object]:
    workload = WORKLOADS["mlp_bias_sgd"]
    save_truth(truth_by_reference(workload, SMALL), tmp_path / "truth.npz")

    def do(text: str = SOURCE, task: Task = Task.TURNS) -> object:
        origin = f"file:{write('mine.py', text)}"
        case = ((origin,), "numpy_bias_sgd", "numpy", SMALL, 1, str(tmp_path / "truth.npz"))
        return done(Request(*case, task=task, policy=QUICK))

    return do


def test_a_right_implementation_is_verified_then_measured(ask: Callable[..., object]) -> None:
    reply = ask()
    assert (reply.status, reply.reason) == (Status.OK, "")
    assert reply.verification.passed
    assert reply.threads == 1
    assert reply.peak_bytes > 1e6
    assert (reply.samples[0].phase, reply.samples[0].method) == ("first_step", Method.WHOLE)
    assert {sample.phase for sample in reply.samples} == {"first_step", "step", "forward", "backward", "update"}


def test_one_that_is_to_be_verified_is_not_timed(ask: Callable[..., object]) -> None:
    reply = ask(task=Task.VERIFY)
    assert reply.status is Status.OK
    assert reply.samples == ()


WRONG = SOURCE.replace("2.0 * (y_pred - y)", "2.1 * (y_pred - y)")
NAN = SOURCE.replace("2.0 * (y_pred - y)", "np.nan * (y_pred - y)")
RAISES = SOURCE.replace("        h = x @ w1 + b1\n", "        raise ValueError('the forward\\nphase broke')\n")
SKIPS = SOURCE.replace("        h = x @ w1 + b1\n", "        raise type('Skipped', (BaseException,), {})('here')\n")
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
        (SKIPS, Status.FAILED, "Skipped: here"),
        (PHASES, Status.FAILED, "The stages of a step cover forward, update: they must cover"),
        (NO_STEP, Status.FAILED, "build returned tuple: it must return a bench.Step."),
        (FUSED, Status.FAILED, "the step is separable, but @implementation says fused: set fused=False there."),
    ],
    ids=["wrong", "nan", "raises", "exits", "skips", "phases", "no step", "fused"],
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


@pytest.mark.parametrize(("kind", "counted"), [("matmul", True), ("add", True), ("matmul", False)])
def test_a_graph_that_was_pruned_is_wrong(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, kind: str, counted: bool
) -> None:
    """The values are right, but too few operations ran to have computed them. Which count is the backend's word."""
    source = SOURCE.replace('workload="mlp_bias_sgd")', 'workload="mlp_bias_sgd", fused=True)')
    source = source.replace("from bench import ", "from bench import Operation, ")
    head, _, _ = source.partition("    return Step(")
    source = head + (
        "    def run():\n        forward(); backward(); update()\n"
        f"    trace = lambda: (run(), tuple(Operation('forward/m', {kind!r}, 1e-6) for _ in range(2)))[1]\n"
        "    return Step((Stage(FORWARD + BACKWARD + UPDATE, run),), state, reset, trace)\n"
    )
    if not counted:
        monkeypatch.setattr(NumpyBackend, "matmul_kinds", ())
    workload = WORKLOADS["mlp_bias_sgd"]
    save_truth(truth_by_reference(workload, SMALL), tmp_path / "t.npz")
    path = write("mine.py", source)
    reply = work(Request((f"file:{path}",), "numpy_bias_sgd", "numpy", SMALL, 1, str(tmp_path / "t.npz")))
    assert reply.status is (Status.WRONG if counted else Status.OK)
    ran = 2 if kind == "matmul" else 0
    assert (f"the graph ran {ran} of 5 matrix products" in reply.reason) == counted


# Devices from files, modes, and what is asked of a device alone

BACKEND = '''
import numpy as np
from bench import Availability, Backend, Device, Stream, backend
from bench.model.condition import Condition

class Line(Stream):
    """A queue of one: everything has been done when a call returns."""
    watching = False
    def record(self):
        return time.perf_counter_ns()
    def reached(self, mark):
        return True
    def nanoseconds(self, start, end):
        return float(end - start)
    def hold(self, units):
        pass
    @contextlib.contextmanager
    def watched(self):
        yield

@backend
class FakeCpu(Backend):
    name, framework, device, host_memory = "numpy-fakecpu", "numpy", "fakecpu", False
    def availability(self):
        return Availability(True)
    def preload(self):
        import numpy
    def open(self, settings):
        energy = iter(range(10, 100))
        condition = lambda: Condition(throttle=("thermal",), energy_joules=float(next(energy)), power_watts=9.0)
        def upload(target, array):
            return lambda: np.copyto(target, array)
        return Device(
            kind="fakecpu", name="Imaginary 1", threads=settings.threads, handle=None, put=np.array,
            synchronize=lambda: None, facts={"precision": str(settings.precision)}, stream=Line(), upload=upload,
            flush=lambda: pathlib.Path(__file__ + ".flushed").touch(), condition=condition,
            matmul=lambda a, b: lambda: a @ b, copy=lambda a: lambda: a.copy(),
        )
    def threads_in_use(self):
        return 1
    def peak_bytes(self):
        return 123
'''
BACKEND = "import contextlib, pathlib, time\n" + BACKEND


@pytest.fixture
def elsewhere(tmp_path: Path, write: Write, own_backends: None) -> Callable[..., Reply]:
    """Ask something of the backend above, with an implementation from another file."""
    workload = WORKLOADS["mlp_bias_sgd"]
    save_truth(truth_by_reference(workload, SMALL), tmp_path / "truth.npz")
    origin = f"file:{write('device.py', BACKEND)}"
    mine = f"file:{write('mine.py', SOURCE)}"
    truth = str(tmp_path / "truth.npz")

    def do(name: str = "numpy_bias_sgd", text: str = SOURCE, **options: object) -> Reply:
        write("mine.py", text)
        request = Request((origin, mine) if name else (origin,), name, "numpy-fakecpu", SMALL, 1, truth, policy=QUICK)
        return done(replace(request, **options))  # type: ignore[arg-type]

    return do


def test_a_device_from_a_file_measures_with_its_own_clock_condition_and_energy(elsewhere: Callable[..., Reply]) -> None:
    reply = elsewhere(task=Task.TURNS)
    assert (reply.status, reply.reason) == (Status.OK, "")
    assert (reply.device_name, reply.facts, reply.peak_bytes) == ("Imaginary 1", {"precision": "full"}, 123)
    assert {sample.clock for sample in reply.samples} == {"host", "device"}
    assert reply.condition is not None
    assert (reply.condition.throttle, reply.condition.power_watts) == (("thermal",), 9.0)
    assert all("throttled" in sample.flags.split() for sample in reply.samples if sample.phase != "first_step")
    assert reply.energy_joules is not None
    assert 0 < reply.energy_joules < 1


def test_results_too_exact_for_the_precision_that_is_asked_for_are_refused(elsewhere: Callable[..., Reply]) -> None:
    reply = elsewhere(precision=Precision.TF32)
    assert reply.facts == {"precision": "tf32"}
    assert reply.status is Status.WRONG
    assert "as exact as those of full precision" in reply.reason


@pytest.mark.parametrize("mode", Mode)
def test_every_mode_is_measured_where_the_device_can_do_it(
    elsewhere: Callable[..., Reply], tmp_path: Path, mode: Mode
) -> None:
    reply = elsewhere(task=Task.TURNS, mode=mode)
    assert (reply.status, reply.reason) == (Status.OK, "")
    assert (tmp_path / "device.py.flushed").exists() == mode.cold


def test_an_implementation_that_does_not_put_its_batch_fails_in_transferred_modes_alone(
    elsewhere: Callable[..., Reply],
) -> None:
    resident = SOURCE.replace("device.put(data.x), device.put(data.y)", "data.x, data.y")
    assert resident != SOURCE
    assert elsewhere(text=resident, task=Task.TURNS).status is Status.OK
    reply = elsewhere(text=resident, task=Task.TURNS, mode=Mode.TRANSFERRED_WARM)
    assert reply.status is Status.FAILED
    assert reply.reason.startswith("build does not put its batch with device.put(data.x) and device.put(data.y)")


def test_a_device_is_asked_for_its_peaks_without_an_implementation(
    elsewhere: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peaks, "_SIZES", (16,))
    monkeypatch.setattr(peaks, "_COPY_BYTES", (1 << 12,))
    reply = elsewhere("", task=Task.PEAKS)
    assert (reply.status, reply.samples, reply.verification) == (Status.OK, (), None)
    assert reply.peaks is not None
    assert (reply.peaks.matmul_size, reply.peaks.copy_bytes) == (16, 1 << 12)
    assert reply.peaks.flops_per_second > 0


def test_a_case_that_is_to_be_proved_is_verified_watched_and_not_timed(elsewhere: Callable[..., Reply]) -> None:
    reply = elsewhere(task=Task.PROVE)
    assert (reply.status, reply.samples) == (Status.OK, ())
    assert reply.verification is not None
    assert [(check.name, check.passed) for check in reply.checks] == [("no synchronisation inside a phase", True)]


def test_a_device_that_is_to_be_proved_is_found_out(
    elsewhere: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It pretends to have a queue, but has done everything when a call returns, and its hold lasts no time."""
    monkeypatch.setattr(peaks, "_SIZES", (16,))
    monkeypatch.setattr(peaks, "_COPY_BYTES", (1 << 12,))
    reply = elsewhere("", task=Task.PROVE)
    assert reply.status is Status.OK
    assert not next(check for check in reply.checks if check.name == "hold").passed


def test_a_backend_whose_file_is_gone_is_a_reason(elsewhere: Callable[..., Reply], tmp_path: Path) -> None:
    (tmp_path / "device.py").unlink()
    reply = elsewhere("", task=Task.PEAKS)
    assert reply.status is Status.FAILED
    assert "device.py" in reply.reason


@pytest.mark.parametrize("threads", [1, 2])
def test_every_pool_of_the_process_is_held_to_the_threads_that_were_asked_for(
    elsewhere: Callable[..., Reply], threads: int
) -> None:
    """The framework of the backend from a file knows nothing of NumPy's pool, which verification uses."""
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(limits=4):
        assert elsewhere(threads=threads).status is Status.OK
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {threads}
