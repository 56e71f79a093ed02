from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.backends.numpy import NumpyBackend
from bench.errors import LoadError, UsageError
from bench.model.backends import BACKENDS
from bench.model.discovery import discover
from bench.model.registry import Registry, backend, implementation
from bench.model.sizes import Sizes
from bench.model.step import FORWARD, TRAINING
from bench.model.workload import WORKLOADS

Write = Callable[[str, str], Path]

GOOD = """
from bench import implementation

@implementation("mine", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    '''My own step.

    More.
    '''
"""

WORKLOAD = """
from bench import FORWARD, implementation, workload

@workload('toy', sizes=dict(layers=2), baseline='mine')
class Toy:
    'A toy.'
    def data(self, size, rng): ...

@implementation('mine', framework='numpy', workload='toy')
def build(problem, data, device): ...
"""


def main_of(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command, full = [sys.executable, "-m", "bench", *arguments], {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=full, timeout=150, check=False)


def load(path: Path) -> Registry:
    registry = Registry()
    registry.load(f"file:{path}")
    return registry


def test_the_nine_programs_three_baselines_and_two_graphs_are_found() -> None:
    assert {item.name for item in discover() if item.by_default} == {
        "numpy_manual",
        "torch_tensor",
        "torch_autograd",
        "torch_custom_function",
        "tf_static_graph",
        "torch_nn",
        "torch_optim",
        "torch_module",
        "torch_dynamic",
        "numpy_bias_sgd",
        "numpy_adam",
        "numpy_dynamic",
        "torch_cuda_graph",
        "torch_cuda_graph_adam",
    }


@pytest.mark.parametrize(
    ("framework", "names"),
    [
        ("torch", {"torch_ddp", *(f"torch_compiled{part}" for part in ("", "_bias", "_adam", "_dynamic"))}),
        ("tensorflow", {"tf_graph_bias", "tf_graph_adam", "tf_graph_dynamic", "tf_function", "tf_function_xla"}),
        (
            "jax",
            {"jax_staged", "jax_fused"} | {f"jax_{w}{f}" for w in ("bias", "adam", "dynamic") for f in ("", "_fused")},
        ),
        ("cupy", {"cupy_manual"}),
        ("numpy", set()),
    ],
)
def test_the_rest_of_the_matrix_is_found_and_measured_if_it_is_named(framework: str, names: set[str]) -> None:
    assert {item.name for item in discover() if item.framework == framework and not item.by_default} == names


def test_an_implementation_of_ones_own_is_measured_by_default_unless_it_says_otherwise(write: Write) -> None:
    usual = load(write("mine.py", GOOD))
    assert [item.by_default for item in usual] == [True]
    odd = load(write("other.py", GOOD.replace('framework="numpy"', 'by_default=False, framework="numpy"')))
    assert [item.by_default for item in odd] == [False]


def test_finding_them_imports_no_framework() -> None:
    code = (
        "import sys; from bench.model.discovery import discover; discover();"
        "print(*({'torch', 'tensorflow', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_file_joins_by_its_decorator(write: Write) -> None:
    path = write("mine.py", GOOD)
    (item,) = load(path)
    assert (item.name, item.framework, item.workload.name, item.fused) == ("mine", "numpy", "mlp_sgd", False)
    assert item.summary == "My own step."
    assert item.origin == f"file:{path}"
    assert "mine" in {each.name for each in discover([path])}


@pytest.mark.parametrize(
    ("devices", "backends"),
    [
        ("", ["torch-cpu", "torch-cuda"]),
        (", devices=()", ["torch-cpu", "torch-cuda"]),
        (", devices=('cuda',)", ["torch-cuda"]),
        (", devices=('cuda', 'cpu')", ["torch-cpu", "torch-cuda"]),
        (", devices=('another',)", []),
        (", devices=('another', 'cpu')", ["torch-cpu"]),
    ],
)
def test_it_runs_on_the_devices_it_names_and_everywhere_if_it_names_none(
    write: Write, devices: str, backends: list[str]
) -> None:
    text = GOOD.replace('"numpy"', '"torch"').replace('"mlp_sgd"', '"mlp_sgd"' + devices)
    (item,) = load(write("mine.py", text))
    assert [backend.name for backend in item.backends] == backends


def test_an_installed_package_joins_by_its_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plugin_of_test.py").write_text(GOOD)
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stepbench.implementations]\nmine = plugin_of_test\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert discover()["mine"].origin == "module:plugin_of_test"


@pytest.mark.usefixtures("own_backends")
def test_an_installed_package_may_bring_a_workload_and_a_measuring_process_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package's modules import one another; `bench verify` measures in processes that load them by name."""
    assert main_of("new", "steps", "--kind", "workload", "--framework", "numpy", cwd=tmp_path).returncode == 0
    package = tmp_path / "site" / "package_of_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "steps.py").rename(package / "steps.py")
    info = package.parent / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stepbench.implementations]\nsteps = package_of_test.steps\n")
    monkeypatch.syspath_prepend(str(package.parent))
    found = discover()["steps.in_place"]
    assert found.workload.origin == found.origin == "module:package_of_test.steps"
    assert found.baseline is not None
    assert found.baseline.name == "steps.plain"
    path = os.pathsep.join(filter(None, (str(package.parent), os.environ.get("PYTHONPATH"))))
    done = main_of("verify", "-w", "steps", "--json", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(row["implementation"], row["status"]) for row in json.loads(done.stdout)] == [
        ("steps.plain", "ok"),
        ("steps.in_place", "ok"),
    ]


def test_the_decorator_leaves_the_function_alone() -> None:
    def build(problem: object, data: object, device: object) -> None: ...

    assert implementation("x", framework="numpy", workload="mlp_sgd")(build) is build  # type: ignore[type-var]


def test_an_unknown_name_suggests_the_nearest(write: Write) -> None:
    with pytest.raises(UsageError, match=r"'mien'.*'mine'"):
        load(write("mine.py", GOOD))["mien"]


@pytest.mark.usefixtures("own_workloads")
def test_a_workload_joins_by_its_decorator(write: Write) -> None:
    (item,) = load(write("mine.py", WORKLOAD))
    found = WORKLOADS["toy"]
    assert item.workload is found
    assert (found.title, found.baseline, found.sizes) == ("A toy", "mine", Sizes(layers=2))
    assert found.origin == item.origin
    assert item.origins == (item.origin,)
    assert (found.phases, found.has_reference, found.memory(found.problem())) == (TRAINING, False, None)
    assert found.flops(found.problem(), "step") is found.bytes_moved(found.problem(), "step") is None
    # The same file again; of another length, since bytecode of the same second and length would be believed.
    load(write("mine.py", WORKLOAD.replace("layers=2", "layers=30")))
    assert WORKLOADS["toy"].sizes == Sizes(layers=30)


@pytest.mark.usefixtures("own_workloads")
def test_a_workload_of_inference_has_the_forward_phase_alone(write: Write) -> None:
    load(write("mine.py", WORKLOAD.replace("    def data", "    phases = FORWARD\n    def data")))
    assert WORKLOADS["toy"].phases == FORWARD


@pytest.mark.usefixtures("own_workloads")
@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("layers=2", "Layers=2", "the size 'Layers': write its name with small letters"),
        ("dict(layers=2)", "{'d-in': 2}", "the size 'd-in': write its name with small letters"),
        ("layers=2", "threads=2", "the size 'threads': that name says something else"),
        ("layers=2", "steps=2", "the size 'steps': that name says something else"),
        ("layers=2", "items=2", "the size 'items': that name says something else"),
        ("layers=2", "layers=0", "the size layers=0: give a whole number"),
        ("dict(layers=2)", "['layers']", "sizes=.'layers'.: give names and values"),
        ("baseline='mine'", "baseline=3", "baseline=3: name the one implementation"),
        ("baseline='mine'", "baseline=''", "baseline='': name the one implementation"),
        ("def data", "def date", "no method data"),
        ("    def data", "    phases = ('forward', 'update')\n    def data", "phases=.*: they are"),
        ("baseline='mine'", "baseline='mine', unverified=True", "unverified=True: write the reason"),
        ("'toy', sizes", "'a toy', sizes", "registers 'a toy': use letters"),
        ("'toy', sizes", "'mlp_sgd', sizes", "the workload 'mlp_sgd', which stepbench itself has: rename one"),
    ],
)
def test_a_workload_that_cannot_be_says_why_in_one_sentence(
    write: Write, before: str, after: str, message: str
) -> None:
    assert WORKLOAD.count(before) == 1
    path = write("mine.py", WORKLOAD.replace(before, after))
    with pytest.raises(LoadError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("own_workloads")
def test_two_files_cannot_register_one_workload(write: Write) -> None:
    first, registry = write("first.py", WORKLOAD), Registry()
    registry.load(f"file:{first}")
    with pytest.raises(LoadError, match=f"'toy', which {first} has: rename one"):
        registry.load(f"file:{write('second.py', WORKLOAD)}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "does not import: ModuleNotFoundError"),
        ("def broken(:", "does not import: SyntaxError"),
        ("import sys; sys.exit(3)", "does not import: SystemExit"),
        ("x = 1", "registers nothing"),
        (GOOD + GOOD, "registers 'mine', which .* has registered already"),
        (GOOD.replace('"mine"', '"../mine"'), "registers '../mine': use letters"),
        (GOOD.replace('"numpy"', '"numpie"'), "unknown framework 'numpie': did you mean 'numpy'"),
        (GOOD.replace('"mlp_sgd"', '"mlp"'), "unknown workload 'mlp': did you mean"),
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices="cuda"'), r"devices='cuda': give a tuple such as \('cuda',\)"),
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices=("cpu", "")'), r"devices=\('cpu', ''\): give a tuple"),
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices=["cuda"]'), r"devices=\['cuda'\]: give a tuple"),
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices=(1,)'), r"devices=\(1,\): give a tuple"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_in_one_sentence(write: Write, text: str, message: str) -> None:
    path = write("mine.py", text)
    with pytest.raises(LoadError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_python(write: Write, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"There is no file .*absent\.py"):
        load(tmp_path / "absent.py")
    with pytest.raises(LoadError, match=r"does not end in .py"):
        load(write("mine.txt", GOOD))


def test_a_loaded_file_may_use_dataclasses_and_a_broken_one_leaves_no_module(write: Callable[[str, str], Path]) -> None:
    path = write(
        "with_dataclass.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom bench import implementation\n"
        "@dataclass\nclass Options:\n    width: int = 3\n"
        "@implementation('mine', framework='numpy', workload='mlp_sgd')\ndef build(problem, data, device): ...\n",
    )
    registry = Registry()
    registry.load(f"file:{path}")
    assert registry["mine"].name == "mine"
    before = set(sys.modules)
    with pytest.raises(LoadError):
        Registry().load(f"file:{write('broken.py', 'raise ValueError(1)')}")
    assert set(sys.modules) == before


# Devices

BACKEND = """
from bench import Availability, Backend, backend

@backend
class Abacus(Backend):
    name, framework, device = "abacus", "numpy", "beads"
    def availability(self):
        return Availability(True)
    def preload(self): ...
    def open(self, settings): ...
    def threads_in_use(self): ...
"""


@pytest.mark.usefixtures("own_backends")
def test_a_file_may_bring_a_backend_and_every_implementation_of_its_framework_runs_on_it(write: Write) -> None:
    path = write("abacus.py", BACKEND)
    registry = discover([path])
    assert len(registry) == len(discover()), "no implementation came with it"
    assert BACKENDS["abacus"].origin == f"file:{path}"
    assert [item.name for item in registry["numpy_manual"].backends] == ["numpy", "abacus"]
    assert [item.name for item in registry["torch_nn"].backends] == ["torch-cpu", "torch-cuda"]


@pytest.mark.usefixtures("own_backends")
def test_one_file_may_bring_both_and_be_loaded_again(write: Write) -> None:
    path = write("both.py", BACKEND + GOOD)
    for _ in range(2):
        (item,) = load(path)
        assert [backend.name for backend in item.backends] == ["numpy", "abacus"]


@pytest.mark.usefixtures("own_backends")
def test_a_backend_may_bring_a_framework_of_its_own(write: Write) -> None:
    text = BACKEND.replace('"numpy", "beads"', '"beads", "wood"') + GOOD.replace(
        'framework="numpy"', 'framework="beads"'
    )
    (item,) = load(write("both.py", text))
    assert [backend.name for backend in item.backends] == ["abacus"]


@pytest.mark.parametrize(
    ("devices", "names"),
    [
        ("()", ["torch-cpu", "torch-cuda"]),
        ('("cuda",)', ["torch-cuda"]),
        ('("cuda", "cpu")', ["torch-cpu", "torch-cuda"]),
        ('("another",)', []),
    ],
)
def test_an_implementation_may_be_for_some_devices_only(write: Write, devices: str, names: list[str]) -> None:
    text = GOOD.replace('framework="numpy"', f'framework="torch", devices={devices}')
    (item,) = load(write("mine.py", text))
    assert [backend.name for backend in item.backends] == names


@pytest.mark.usefixtures("own_backends")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices="cuda"'), r"devices='cuda': give a tuple such as \('cuda',\)"),
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices=["cuda"]'), r"devices=\['cuda'\]: give a tuple"),
        (GOOD.replace('"mlp_sgd"', '"mlp_sgd", devices=("",)'), r"devices=\('',\): give a tuple"),
        (BACKEND.replace('"abacus"', '"numpy"'), "registers the backend 'numpy', which stepbench itself has"),
        (BACKEND.replace("def preload", "def load"), "does not import: TypeError: Can't instantiate abstract class"),
        (
            BACKEND + "    def __init__(self):\n        raise OSError('no beads')\n",
            "does not import: OSError: no beads",
        ),
    ],
)
def test_devices_and_backends_that_cannot_be_say_why(write: Write, text: str, message: str) -> None:
    path = write("mine.py", text)
    before = dict(BACKENDS)
    with pytest.raises(LoadError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert before == BACKENDS


def test_the_decorator_leaves_the_class_alone() -> None:
    assert backend(NumpyBackend) is NumpyBackend


JOINING = (
    "from bench import implementation\n"
    "@implementation('{name}', framework='numpy', workload='{workload}')\n"
    "def build(problem, data, device): ...\n"
)
BESIDE = (
    "from bench import workload\n"
    "@workload('beside', sizes={}, baseline='b')\n"
    "class Beside:\n"
    "    def data(self, size, rng): ...\n"
)


@pytest.mark.usefixtures("own_backends")
@pytest.mark.parametrize("order", [("one", "two"), ("one", "beside", "two")])
def test_a_workload_is_looked_for_in_the_file_of_its_name_beside_the_one_that_joins_it(
    write: Write, order: tuple[str, ...]
) -> None:
    files = {name: write(f"{name}.py", JOINING.format(name=name, workload="beside")) for name in ("one", "two")}
    files["beside"] = write("beside.py", BESIDE)
    registry = discover([files[name] for name in order])
    assert registry["one"].workload is registry["two"].workload
    assert registry["one"].origins == (f"file:{files['beside'].resolve()}", f"file:{files['one'].resolve()}")


def test_two_files_that_join_each_other_are_no_workload(write: Write) -> None:
    one = write("here.py", JOINING.format(name="one", workload="there"))
    write("there.py", JOINING.format(name="two", workload="here"))
    for path in (one, write("itself.py", JOINING.format(name="one", workload="itself"))):
        with pytest.raises(LoadError, match="unknown workload"):
            discover([path])
    with pytest.raises(LoadError, match="unknown workload 'a/b'"):
        discover([write("odd.py", JOINING.format(name="one", workload="a/b"))])
