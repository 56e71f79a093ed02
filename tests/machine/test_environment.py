from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.backends.numpy import NumpyBackend
from bench.machine import environment


def test_the_machine_is_described_with_unknowns_as_none() -> None:
    facts = environment.machine_facts()
    assert facts["cpus_usable"] >= 1
    assert facts["memory_bytes"] > 1e8
    assert facts["cpu"]
    assert all(value != 0 or name == "load_1min" for name, value in facts.items() if value is not None)


def test_a_containers_quota_limits_the_usable_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "affinity", lambda: set(range(16)))
    for quota, expected in ((None, 16), (2.5, 2), (0.5, 1), (32.0, 16)):
        monkeypatch.setattr(environment, "cgroup_quota", lambda quota=quota: quota)
        assert environment.usable_cpus() == expected


def test_a_system_without_affinity_has_all_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "affinity", set)
    monkeypatch.setattr(environment, "cgroup_quota", lambda: None)
    monkeypatch.setattr(environment.os, "cpu_count", lambda: 3)
    assert environment.usable_cpus() == 3
    assert environment.machine_facts()["cpus_fast"] is None


class Tiny(NumpyBackend):
    packages = ("pytest", "no-such-package")


def test_versions_are_those_of_the_backends_and_of_what_the_harness_asks_for() -> None:
    from importlib.metadata import version

    own, found = environment.package_versions([]), environment.package_versions([Tiny()])
    assert found == own | {"pytest": version("pytest")}, "what is not installed is left out"
    assert {"numpy", "pandas", "matplotlib", "click"} <= set(own)
    assert not {"pytest", "tensorflow", "ruff"} & set(own), "an extra is asked for by nobody"


def test_a_harness_that_is_not_installed_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise environment.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "requires", absent)
    assert set(environment.package_versions([NumpyBackend()])) == {"numpy", "threadpoolctl"}


def test_the_git_revision_says_when_files_differ(tmp_path: Path) -> None:
    assert environment.git_revision(tmp_path) is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    assert environment.git_revision(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "a").write_text("2")
    assert environment.git_revision(tmp_path) == git("rev-parse", "HEAD") + "-dirty"


def install(site: Path, name: str, version: str, files: dict[str, str]) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in files.items():
        (info / file).write_text(text)


def test_versions_are_found_by_the_modules_that_packages_hold(tmp_path: Path) -> None:
    install(tmp_path, "Fancy_FW", "1.2", {"RECORD": "fancyfw/__init__.py,,\nfancyfw/part.py,,\n"})
    install(tmp_path, "PyOther", "3", {"top_level.txt": "_other\nother\n", "RECORD": "mine.py,,\n"})
    install(tmp_path, "single", "4", {"RECORD": "single.py,,\n"})
    install(tmp_path, "another", "5", {"RECORD": "xfancyfw/__init__.py,,\nother/__init__.py,,\n"})
    (tmp_path / "half-1.dist-info").mkdir()
    modules = {
        "fancyfw": str(tmp_path / "fancyfw" / "__init__.py"),
        "_other": str(tmp_path / "_other.so"),
        "single": str(tmp_path / "single.py"),
        "mine": str(tmp_path / "mine.py"),
        "json": str(tmp_path / "json" / "__init__.py"),
    }
    assert environment.versions_behind(modules) == {"fancy-fw": "1.2", "pyother": "3", "single": "4"}
    assert environment.versions_behind({}) == {}


def test_what_an_uninstallation_left_behind_is_no_package(tmp_path: Path) -> None:
    for name, metadata in (("left", ""), ("kept", "Name: The_Kept\nVersion: 1.5\n")):
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "top_level.txt").write_text("mine\n")
        if metadata:
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}")
    assert environment.versions_behind({"mine": str(tmp_path / "mine.py"), "other": str(tmp_path / "other.py")}) == {
        "the-kept": "1.5"
    }
