from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import LoadError, UsageError
from bench.model.registry import Registry, discover, implementation

Write = Callable[[str, str], Path]

GOOD = """
from bench import implementation

@implementation("mine", framework="numpy", workload="mlp_sgd")
def build(problem, data, device):
    '''My own step.

    More.
    '''
"""


def load(path: Path) -> Registry:
    registry = Registry()
    registry.load(f"file:{path}")
    return registry


def test_the_nine_programs_and_three_baselines_are_found() -> None:
    assert {item.name for item in discover()} == {
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
    }


def test_finding_them_imports_no_framework() -> None:
    code = (
        "import sys; from bench.model.registry import discover; discover();"
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


def test_an_installed_package_joins_by_its_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plugin_of_test.py").write_text(GOOD)
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stepbench.implementations]\nmine = plugin_of_test\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert discover()["mine"].origin == "module:plugin_of_test"


def test_the_decorator_leaves_the_function_alone() -> None:
    def build(problem: object, data: object, device: object) -> None: ...

    assert implementation("x", framework="numpy", workload="mlp_sgd")(build) is build  # type: ignore[type-var]


def test_an_unknown_name_suggests_the_nearest(write: Write) -> None:
    with pytest.raises(UsageError, match=r"'mien'.*'mine'"):
        load(write("mine.py", GOOD))["mien"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "does not import: ModuleNotFoundError"),
        ("def broken(:", "does not import: SyntaxError"),
        ("import sys; sys.exit(3)", "does not import: SystemExit"),
        ("x = 1", "registers no implementation"),
        (GOOD + GOOD, "registers 'mine', which .* has registered already"),
        (GOOD.replace('"mine"', '"../mine"'), "registers '../mine': use letters"),
        (GOOD.replace('"numpy"', '"numpie"'), "unknown framework 'numpie': did you mean 'numpy'"),
        (GOOD.replace('"mlp_sgd"', '"mlp"'), "unknown workload 'mlp': did you mean"),
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
