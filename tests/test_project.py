"""Rules about the project as a whole: the direction of imports, the public names, what the documents promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ORDER = [
    "errors",
    "model",
    "workloads",
    "training",
    "backends",
    "machine",
    "data",
    "stats",
    "oracle",
    "timing",
    "analysis",
    "run",
    "output",
]
ORDER += ["options", "commands", "cli", "__main__", "pytest_plugin"]
"""Every file imports only from its own folder or from those before it in this list."""
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "optax", "cupy"}


def python_files(root: Path) -> list[Path]:
    return sorted((root / "bench").rglob("*.py"))


def part_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "bench" and len(parts) > 1 else None


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def violations(path: Path, root: Path) -> list[str]:
    own = path.relative_to(root / "bench").with_suffix("").parts[0]
    if own == "__init__":
        return []
    allowed = set(ORDER[: ORDER.index(own) + 1])
    return [f"{path.name}: {module}" for module in imported(path) if part_of(module) not in (None, *allowed)]


def test_imports_go_in_one_direction(root: Path) -> None:
    assert [found for path in python_files(root) for found in violations(path, root)] == []


def depends_on(path: Path, root: Path, modules: set[str]) -> set[str]:
    """The files of bench that a file imports, those under TYPE_CHECKING included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else node.module for name in inside]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name for name in names if name in modules}
    return found


def circles(root: Path) -> list[str]:
    """The modules that lie on a circle of imports; packages stand for their own `__init__`."""
    paths = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in python_files(root)
        if path != root / "bench" / "__init__.py"
    }
    left = {name: depends_on(path, root, set(paths)) - {name} for name, path in paths.items()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    return sorted(name for name, needs in left.items() if any(name in left[other] for other in needs & left.keys()))


def test_no_imports_go_in_a_circle_not_even_those_for_types(root: Path) -> None:
    assert circles(root) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "bench" / "x").mkdir(parents=True)
    (tmp_path / "bench" / "x" / "a.py").write_text("if TYPE_CHECKING:\n    from bench.x.b import B\n")
    (tmp_path / "bench" / "x" / "b.py").write_text("def f():\n    from bench.x import a\n")
    (tmp_path / "bench" / "x" / "c.py").write_text("from bench.x import a\n")
    assert circles(tmp_path) == ["bench.x.a", "bench.x.b"]


def test_a_class_name_exists_once(root: Path) -> None:
    found: dict[str, list[str]] = {}
    for path in python_files(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(str(path.relative_to(root)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


MOST_LINES, LONGEST_FUNCTION = 350, 60


def test_no_file_and_no_function_is_too_long(root: Path) -> None:
    long = []
    for path in python_files(root):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MOST_LINES:
            long.append(str(path.relative_to(root)))
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION:
                long.append(f"{path.relative_to(root)}: {node.name}")
    assert long == []


def test_an_import_against_the_direction_is_found(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "model" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f():\n    from bench.output import report\n")
    assert violations(path, tmp_path) == ["x.py: bench.output"]


@pytest.mark.parametrize("folder", ["data", "analysis", "output", "run"])
def test_files_that_never_measure_import_no_framework(root: Path, folder: str) -> None:
    for path in (root / "bench" / folder).rglob("*.py"):
        assert not {name.partition(".")[0] for name in imported(path)} & FRAMEWORKS, path


def test_only_one_file_synchronises_and_only_one_knows_cuda(root: Path) -> None:
    def holding(pattern: str) -> set[str]:
        return {
            str(path.relative_to(root / "bench"))
            for path in python_files(root)
            if re.search(pattern, path.read_text(encoding="utf-8"))
        }

    assert holding(r"(?<!cuda\.)\bsynchronize\(\)") == {"timing/passes.py", "timing/ranks.py"}
    assert holding(r"\btorch\.cuda\b") == {"backends/torch.py"}


def test_the_public_names_are_what_an_implementation_needs() -> None:
    import bench

    assert sorted(bench.__all__) == sorted(set(bench.__all__))
    assert all(hasattr(bench, name) for name in bench.__all__)


def test_every_constraint_is_exact_and_covers_what_is_asked_for(root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ +]+", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-"): line.partition("==")[2] for line in lines}
    assert pinned["torch"] == "2.13.0"
    assert pinned["tensorflow"] == "2.21.0"
    wanted = re.findall(r'^  "([A-Za-z0-9_-]+)[>=;]', (root / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert {name.lower() for name in wanted} <= set(pinned)


def test_the_device_model_recommends_the_pinned_versions(root: Path) -> None:
    from bench.backends.tensorflow import TENSORFLOW_PIN
    from bench.backends.torch import TORCH_PIN

    lines = (root / "constraints.txt").read_text().splitlines()
    assert TORCH_PIN in lines
    assert TENSORFLOW_PIN in lines


def test_every_local_link_in_the_documents_leads_somewhere(root: Path) -> None:
    documents = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), root / "results" / "README.md"]
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
