"""Real processes: what they survive and what they leave behind. Nothing here asserts on how long anything takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.analysis.steady import growth
from bench.data.schema import Status
from bench.errors import ChildError, ChildTimeout
from bench.model.backends import BACKENDS
from bench.model.discovery import BUILT_IN
from bench.model.registry import Registry
from bench.model.workload import WORKLOADS
from bench.oracle.edges import truth_by_reference
from bench.oracle.truth import save_truth
from bench.run import guarded, interpreter, patience
from bench.run.guarded import Interpreter
from bench.run.interpreter import Conversation, ZygoteGone
from bench.run.pool import Pool
from bench.timing.guard import GUARDED
from bench.timing.policy import SamplingPolicy
from bench.timing.protocol import REQUEST, Reply, Request, Task, Turn, Turned
from bench.workloads import tutorial

SMALL = tutorial(batch=8, d_in=6, hidden=5, d_out=3)
QUICK = SamplingPolicy(turn_seconds=1e-4, warmup_min_seconds=1e-4, warmup_max_seconds=1e-2)
SOURCE = (BUILT_IN / "numpy_manual.py").read_text(encoding="utf-8")
PROBLEM = tutorial(batch=20, d_in=16, hidden=12, d_out=8)
Ask = Callable[..., Reply]
FORKED = pytest.mark.parametrize("pool", ["fork"], indirect=True)
"""For what does not depend on how the process was started."""


@pytest.fixture(params=["fork", "spawn"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with Pool(Interpreter(fork=request.param == "fork")) as running:
        yield running


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Ask for the plain workload in NumPy, verified and no more."""
    workload, truth = WORKLOADS["mlp_sgd"], tmp_path / "truth.npz"
    save_truth(truth_by_reference(workload, PROBLEM), truth)
    return Request((f"file:{BUILT_IN / 'numpy_manual.py'}",), "numpy_manual", "numpy", PROBLEM, 1, str(truth))


@pytest.fixture
def ask(pool: Pool, request_: Request, tmp_path: Path) -> Ask:
    def do(body: str = "", timeout: float | None = 60.0) -> Reply:
        path = tmp_path / "mine.py"
        path.write_text(
            SOURCE.replace("    def forward():\n", f"    import os, sys, time\n{body}\n    def forward():\n")
        )
        return pool.ask(BACKENDS["numpy"], replace(request_, origins=(f"file:{path}",)), timeout)

    return do


def test_each_request_has_a_process_of_its_own(ask: Ask, tmp_path: Path) -> None:
    body = f"    open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}}\\n')"
    assert [ask(body).status for _ in range(3)] == [Status.OK] * 3
    pids = (tmp_path / "pids").read_text().split()
    assert len(set(pids)) == 3
    assert str(os.getpid()) not in pids


def test_a_child_that_dies_by_a_signal_says_which(ask: Ask) -> None:
    with pytest.raises(ChildError, match="its process died by SIGSEGV"):
        ask("    os.kill(os.getpid(), 11)")
    with pytest.raises(ChildError, match="died by SIGKILL, perhaps for want of memory"):
        ask("    os.kill(os.getpid(), 9)")
    with pytest.raises(ChildError, match="its process died by signal 40"):
        ask("    os.kill(os.getpid(), 40)")  # a real-time signal, which has no name
    assert ask().status is Status.OK


def test_a_child_that_closes_our_files_and_lives_on_is_not_said_to_have_died(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "LEAVE_SECONDS", 0.5)
    with pytest.raises(ChildError, match="its process hung up and lived on, so it was killed"):
        ask("    os.closerange(3, 1024); time.sleep(1000)")
    assert ask().status is Status.OK


@FORKED
def test_a_child_that_leaves_without_a_word_is_quoted(ask: Ask) -> None:
    with pytest.raises(ChildError, match="exited with status 3 and no answer; it said: last words"):
        ask("    print('first'); print('last words', file=sys.stderr, flush=True); os._exit(3)")


def test_a_child_that_hangs_is_killed_with_what_it_started(ask: Ask, tmp_path: Path) -> None:
    body = (
        "    import subprocess\n"
        "    helper = subprocess.Popen(['sleep', '1000'])\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(helper.pid))\n"
        "    time.sleep(1000)"
    )
    with pytest.raises(ChildTimeout):
        ask(body, timeout=3.0)
    assert_ends(int((tmp_path / "pid").read_text()))
    assert ask().status is Status.OK


def assert_ends(pid: int) -> None:
    """A process runs no more; the kernel takes a moment to end what was killed."""
    for _ in range(2000):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.01)
    raise AssertionError("what the child started is still running")


DAEMON = "import subprocess; print(subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)"
"""A program that leaves a process behind, in a session of its own and without a parent."""


def leaving(pids: Path) -> str:
    """What an author writes to start such a process."""
    return f"import subprocess; subprocess.run([sys.executable, '-c', {DAEMON!r}], stdout=open({str(pids)!r}, 'a'))"


@pytest.mark.skipif(not GUARDED, reason="elsewhere nobody takes in what has lost its parent")
def test_what_left_the_session_of_a_child_ends_with_it_and_with_no_other(
    ask: Ask, pool: Pool, open_: Open, tmp_path: Path
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    talk = open_(f"os.path.exists({str(other)!r}) or exec({leaving(other)!r})")
    assert ask(f"    {leaving(mine)}").status is Status.OK
    for pid in mine.read_text().split():
        assert_ends(int(pid))
    alive = [int(pid) for pid in other.read_text().split()]
    assert alive
    assert all(map(psutil.pid_exists, alive)), "the one that started it is alive"
    talk.close()
    for pid in alive:
        assert_ends(pid)


@pytest.mark.skipif(not GUARDED, reason="elsewhere nobody takes in what has lost its parent")
@pytest.mark.parametrize("victim", ["command", "interpreter"])
@pytest.mark.parametrize("fork", [True, False])
def test_nothing_outlives_a_command_or_an_interpreter_that_is_killed(
    request_: Request, tmp_path: Path, fork: bool, victim: str
) -> None:
    """Whoever is above a process is killed while a build of it takes for ever."""
    pids, step = tmp_path / "pids", tmp_path / "step.py"
    lines = f"    import sys, time\n    {leaving(pids)}\n    time.sleep(1000)\n    def forward():\n"
    step.write_text(SOURCE.replace("    def forward():\n", lines))
    program = (
        "import sys, bench\nfrom bench.model.backends import BACKENDS\nfrom bench.run.guarded import Interpreter\n"
        "from bench.run.pool import Pool\nfrom bench.timing.protocol import REQUEST\n"
        f"Pool(Interpreter(fork={fork})).open(BACKENDS['numpy'], REQUEST.validate_json(sys.argv[1]), None)"
    )
    asked = REQUEST.dump_json(replace(request_, origins=(f"file:{step}",), task=Task.TURNS)).decode()
    with subprocess.Popen(
        [sys.executable, "-c", program, asked], env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL
    ) as running:
        while not (pids.exists() and pids.read_text().endswith("\n")):
            time.sleep(0.01)  # the test's timeout ends what never begins
        below = psutil.Process(running.pid).children(recursive=True)
        (guard,) = psutil.Process(running.pid).children()
        if victim == "command":
            running.kill()
        else:
            guard.children()[0].kill()
        for each in below:
            assert_ends(each.pid)
        running.kill()
    for pid in pids.read_text().split():
        assert_ends(int(pid))


@FORKED
def test_of_what_a_process_prints_only_the_end_is_kept(ask: Ask, open_: Open, pool: Pool) -> None:
    def kept() -> int:
        return sum(log.stat().st_size for log in pool.scratch.glob("*.log"))

    loud = "print('x' * 100_000, flush=True)"
    with pytest.raises(ChildError, match=r"it said: last words$"):  # in one silence
        ask(f"    for _ in range(100): {loud}\n    print('last words', flush=True); time.sleep(1.5); os._exit(3)")
    assert kept() < 1 << 20
    with pytest.raises(ChildError, match=r"it said: x{400} \.\.\.$"):
        ask(f"    {loud}; os._exit(3)")
    talk = open_(loud)
    for number in range(10):  # step by step
        talk.turn(Turn(number), 60.0)
    assert kept() < 5 << 20, "a turn prints more than ten times that"


@pytest.mark.slow
@FORKED
def test_by_default_one_that_computes_is_left_to_work_and_one_that_sleeps_is_ended(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "IDLE_SECONDS", 1.0)
    computes = "    import subprocess\n    subprocess.run([sys.executable, '-c', {!r}])"
    spins = "import time\nwhile time.process_time() < 2: pass"
    assert ask("    end = time.process_time() + 2\n    while time.process_time() < end: pass", None).status is Status.OK
    assert ask(computes.format(spins), None).status is Status.OK
    with pytest.raises(ChildTimeout, match="no use of the CPU for 1 s"):
        ask("    time.sleep(1000)", None)


@FORKED
def test_what_an_implementation_prints_does_not_get_into_the_protocol(ask: Ask) -> None:
    assert ask('    print(\'{"status": "failed"}\', flush=True)').status is Status.OK


def test_a_zygote_that_is_killed_is_started_again_and_the_request_repeated(request_: Request) -> None:
    with Pool(Interpreter(fork=True)) as running:
        running.start([BACKENDS["numpy"]])
        for its_guard in (True, False, False):
            victims = psutil.Process().children() if its_guard else measuring()
            (process,) = (each for each in victims if "bench.timing.zygote" in each.cmdline())
            process.send_signal(signal.SIGKILL)
            assert running.ask(BACKENDS["numpy"], request_, 60.0).status is Status.OK


def test_nothing_is_left_running(ask: Ask, pool: Pool) -> None:
    ask()
    pool.close()
    assert [
        p for p in psutil.Process().children(recursive=True) if "bench.timing.zygote" in " ".join(p.cmdline())
    ] == []


def test_an_interpreter_that_cannot_start_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("raise RuntimeError('this is another bench')")
    broken = replace(Interpreter(fork=True), path=(str(tmp_path),))
    with Pool(broken) as running:
        running.start([BACKENDS["numpy"]])
        request = Request(("file:x.py",), "x", "numpy", SMALL, 1, "t")
        with pytest.raises(ZygoteGone, match="did not start: RuntimeError: this is another bench"):
            running.ask(BACKENDS["numpy"], request, 60.0)


@pytest.mark.parametrize(("name", "cure"), [("nowhere", "check the path"), ("", "permissions")])
def test_an_interpreter_that_is_none_is_an_error_with_its_cure(tmp_path: Path, name: str, cure: str) -> None:
    with Pool(Interpreter(python=str(tmp_path / name))) as running, pytest.raises(ZygoteGone, match=cure) as caught:
        running.ask(BACKENDS["numpy"], Request(("file:x.py",), "x", "numpy", SMALL, 1, "t"), 60.0)
    assert f"{tmp_path / name} cannot be started" in str(caught.value)


@pytest.fixture
def fake(fakecpu: Path, tmp_path: Path, own_backends: None) -> Callable[[str], Path]:
    """Load the backend of `fakecpu`, which leaves a file when it is preloaded, with more lines in its class."""

    def load(lines: str = "") -> Path:
        path = tmp_path / "fake.py"
        text = fakecpu.read_text(encoding="utf-8")
        preload = f"open({str(tmp_path / 'preloaded')!r}, 'a').write('x')"
        for plain, changed in (
            ("        pass\n", f"        {preload}\n"),
            ("return None", "return 7"),
            ("    def availability", f"{lines}    def availability"),
        ):
            assert text.count(plain) == 1
            text = text.replace(plain, changed)
        path.write_text(text, encoding="utf-8")
        Registry().load(f"file:{path}")
        return path

    return load


@pytest.mark.parametrize("builtin_first", [True, False])
def test_a_backend_from_a_file_is_loaded_by_the_interpreter_and_its_children(
    pool: Pool, request_: Request, fake: Callable[..., Path], tmp_path: Path, builtin_first: bool
) -> None:
    """One interpreter a framework serves both backends, whichever was asked for first."""
    other = replace(request_, backend="numpy-fakecpu", origins=(f"file:{fake()}", *request_.origins))
    order = [request_, other] if builtin_first else [other, request_]
    replies = {each.backend: pool.ask(BACKENDS[each.backend], each, 60.0) for each in order}
    assert {name: reply.status for name, reply in replies.items()} == dict.fromkeys(replies, Status.OK)
    assert (replies["numpy-fakecpu"].device_name, replies["numpy-fakecpu"].threads) == ("Imaginary Device 1", 7)
    assert (replies["numpy"].device_name, replies["numpy"].threads) == ("", 1)
    assert (tmp_path / "preloaded").exists() or builtin_first


def test_a_backend_that_may_not_be_forked_is_started_for_each_request_and_its_siblings_are_forked(
    request_: Request, fake: Callable[..., Path], tmp_path: Path
) -> None:
    parents = tmp_path / "parents"
    lines = f"    import os\n    open({str(parents)!r}, 'a').write(f'{{os.getppid()}} ')\n    def forward():\n"
    (tmp_path / "mine.py").write_text(SOURCE.replace("    def forward():\n", lines))
    request_ = replace(request_, origins=(f"file:{tmp_path / 'mine.py'}",), fresh=False)
    origin = f"file:{fake('    may_fork = False' + chr(10))}"
    other = replace(request_, backend="numpy-fakecpu", origins=(origin, *request_.origins))
    with Pool(Interpreter(fork=True)) as running:
        running.start([BACKENDS["numpy"], BACKENDS["numpy-fakecpu"]])
        replies = [running.ask(BACKENDS[each.backend], each, 60.0) for each in (other, request_, other, request_)]
        talk = running.open(BACKENDS["numpy-fakecpu"], replace(other, task=Task.TURNS), 60.0)
        assert phases_of(talk.turn(Turn(0), 60.0)) == PHASES
    found = [int(number) for number in parents.read_text().split()]
    assert len({found[0], found[2], found[4]}) == 3, "each is started by its own guard"
    assert found[1] == found[3], "the zygote is not disturbed by the others"
    assert [reply.zygote for reply in replies] == [1, 0, 2, 0]


def test_a_backend_whose_file_breaks_later_says_so_in_one_sentence(
    request_: Request, fake: Callable[..., Path]
) -> None:
    path = fake()
    path.write_text("raise OSError('gone')")
    other = replace(request_, backend="numpy-fakecpu", origins=(f"file:{path}",), task=Task.PEAKS)
    with Pool(Interpreter(fork=True)) as running, pytest.raises(ZygoteGone, match=r"did not start: .*gone"):
        running.ask(BACKENDS["numpy-fakecpu"], other, 60.0)


# --- processes that stay alive ------------------------------------------------------------------------------------

Open = Callable[..., Conversation]


@pytest.fixture
def open_(pool: Pool, request_: Request, tmp_path: Path) -> Open:
    """Start a conversation; `body` runs at the end of each backward phase."""

    def do(body: str = "pass", timeout: float = 60.0) -> Conversation:
        path = tmp_path / f"step{len(list(tmp_path.iterdir()))}.py"
        line = "        grad_w1 = x.T @ grad_h\n"
        path.write_text(SOURCE.replace(line, f"{line}        import os, sys, time\n        {body}\n"))
        return pool.open(
            BACKENDS["numpy"], replace(request_, origins=(f"file:{path}",), task=Task.TURNS, policy=QUICK), timeout
        )

    return do


PHASES = {"step", "forward", "backward", "update"}


def phases_of(answer: Turned | Reply) -> set[str]:
    """What one turn tells of."""
    assert isinstance(answer, Turned)
    return {sample.phase for sample in answer.samples if sample.nanoseconds > 0}


def measuring() -> list[psutil.Process]:
    """The processes that run now, guards and the dead that wait to be collected left out."""
    guards = psutil.Process().children() if GUARDED else []
    found = [process for process in psutil.Process().children(recursive=True) if process not in guards]
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def test_two_processes_stay_alive_and_answer_in_any_order(open_: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = open_(), open_()
    assert (first.reply.status, second.reply.status) == (Status.OK, Status.OK)
    for talk in (first, second, second, first):
        assert phases_of(talk.turn(Turn(0), 60.0)) == PHASES
    alive = len(measuring())
    first.close()
    with monkeypatch.context() as patch:
        killed: list[int] = []
        patch.setattr(interpreter, "kill_group", lambda pid, **options: killed.append(pid))
        first.close()
        assert killed == []  # its number may be a stranger's by now
    assert len(measuring()) == alive - 1
    assert phases_of(second.turn(Turn(1), 60.0)) == PHASES
    assert second.finish(60.0).status is Status.OK
    second.close()
    assert open_().reply.status is Status.OK


def test_one_that_dies_in_a_turn_says_how_and_the_next_is_served(open_: Open, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    talk = open_(f"if os.path.exists({str(flag)!r}): os.kill(os.getpid(), 11)")
    flag.touch()
    with pytest.raises(ChildError, match="its process died by SIGSEGV"):
        talk.turn(Turn(0), 60.0)
    talk.close()
    assert open_().reply.status is Status.OK


@FORKED
def test_one_that_raises_in_a_turn_is_quoted(open_: Open, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    talk = open_(f"if os.path.exists({str(flag)!r}): raise RuntimeError('no luck')")
    flag.touch()
    answer = talk.turn(Turn(0), 60.0)
    assert isinstance(answer, Reply)
    assert answer.status is Status.FAILED
    assert "RuntimeError: no luck" in answer.reason


def test_one_that_is_stopped_takes_its_turn_when_it_may_go_on_and_can_be_ended(open_: Open) -> None:
    talk = open_()
    for _ in range(2):
        talk.pause(True)
        while not any(process.status() == psutil.STATUS_STOPPED for process in measuring()):
            time.sleep(0.01)  # the kernel takes a moment; the test's timeout ends what it never does
        talk.pause(False)
        assert phases_of(talk.turn(Turn(0), 60.0)) == PHASES
    alive = len(measuring())
    talk.pause(True)
    talk.close()
    talk.pause(False)  # it has ended, and its number may be a stranger's
    assert len(measuring()) == alive - 1


def test_one_that_dies_before_it_answers_says_how(open_: Open) -> None:
    with pytest.raises(ChildError, match="its process died by SIGKILL"):
        open_("os.kill(os.getpid(), 9)")


def test_one_that_hangs_is_ended(open_: Open, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    talk = open_(f"if os.path.exists({str(flag)!r}): time.sleep(1000)")
    flag.touch()
    alive = len(measuring())
    with pytest.raises(ChildTimeout):
        talk.turn(Turn(0), 1.0)
    assert len(measuring()) == alive - 1


@pytest.mark.parametrize(
    ("body", "bytes_a_step"), [("globals().setdefault('kept', []).append(b'x' * 400_000)", 4e5), ("pass", 0)]
)
@FORKED
def test_memory_that_a_step_never_gives_back_shows(open_: Open, body: str, bytes_a_step: float) -> None:
    talk = open_(body)
    for number in range(8):
        talk.turn(Turn(number), 60.0)
    last = talk.finish(60.0)
    assert growth(last.memory) == pytest.approx(bytes_a_step, rel=0.1)


def turn_after_turn(talk: Conversation) -> None:
    """Until it raises: the kernel takes a moment to end a child with its zygote."""
    while True:
        talk.turn(Turn(0), 60.0)


def test_when_the_zygote_dies_under_a_conversation_that_is_said(request_: Request) -> None:
    request = replace(request_, task=Task.TURNS)
    with Pool(Interpreter(fork=True)) as running:
        talk = running.open(BACKENDS["numpy"], request, 60.0)
        (process,) = (p for p in psutil.Process().children() if "bench.timing.zygote" in p.cmdline())
        process.kill()
        with pytest.raises(ZygoteGone, match="the measuring interpreter died"):
            turn_after_turn(talk)
        assert running.open(BACKENDS["numpy"], request, 60.0).reply.status is Status.OK


def test_renewed_interpreters_are_others() -> None:
    with Pool(Interpreter(fork=True)) as running:
        running.start([BACKENDS["numpy"]])
        before = {process.pid for process in measuring()}
        running.renew([BACKENDS["numpy"]])
        after = {process.pid for process in measuring()}
        assert len(before) == len(after) == 1
        assert before != after


@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_has_no_more_threads_than_it_was_told_to_use(request_: Request, tmp_path: Path, threads: int) -> None:
    """A worker of NumPy's pool that one thread does not need would spin beside its first samples."""
    path, seen = tmp_path / "mine.py", tmp_path / "seen"
    count = f"    import os\n    open({str(seen)!r}, 'w').write(str(len(os.listdir('/proc/self/task'))))\n"
    path.write_text(SOURCE.replace("    def forward():\n", f"{count}    def forward():\n"))
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with Pool(Interpreter(fork=True, environment=plain)) as running:
        asked = replace(request_, origins=(f"file:{path}",), threads=threads, fresh=False)
        assert running.ask(BACKENDS["numpy"], asked, 60.0).status is Status.OK
    assert int(seen.read_text()) <= threads
