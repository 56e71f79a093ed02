"""No GPU is needed: a double of pynvml answers. One test holds that the real module has every name that is used."""

# ruff: noqa: N802, N815 - the double's names are those of the module.

from __future__ import annotations

import ast
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pynvml
import pytest

from bench.backends import nvidia
from bench.backends.nvidia import SLOWING, NvidiaGpu, absent_reason, driver_pid, first_visible
from bench.model.condition import Condition

OWN = 4711
UUIDS = ["GPU-aaaa1111-0000", "GPU-aaaa2222-0000", "GPU-bbbb3333-0000"]
INSTANCE = "MIG-cccc4444-0000"
READ = Condition(
    sm_clock_mhz=1755,
    memory_clock_mhz=2619,
    max_sm_clock_mhz=1980,
    throttle=("power cap",),
    power_watts=350.25,
    temperature_celsius=66.0,
    other_bytes=500,
    energy_joules=9876543.21,
    mig=False,
    persistence=True,
)


class RefusedError(Exception):
    """In the place of NVMLError."""


class NoLibraryError(RefusedError):
    pass


def process(pid: int, held: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=held)


class Driver:
    """A double of the module pynvml: three GPUs, the first divided into one instance if asked for by its UUID."""

    NVMLError, NVMLError_LibraryNotFound = RefusedError, NoLibraryError
    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2
    NVML_TEMPERATURE_GPU = 0
    NVML_DEVICE_MIG_ENABLE = NVML_FEATURE_ENABLED = 1
    nvmlClocksEventReasonSwPowerCap = 0x04
    nvmlClocksEventReasonHwSlowdown = 0x08
    nvmlClocksEventReasonSwThermalSlowdown = 0x20
    nvmlClocksEventReasonHwThermalSlowdown = 0x40
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 0x80

    def __init__(self) -> None:
        self.opened = 0
        self.answers: dict[str, Any] = {
            "nvmlDeviceGetCount": len(UUIDS),
            "nvmlDeviceGetTemperatureV": 66,
            "nvmlDeviceGetMigMode": [0, 1],
            "nvmlDeviceGetPersistenceMode": 1,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x04,
            "nvmlDeviceGetPowerUsage": 350_250,
            "nvmlDeviceGetTotalEnergyConsumption": 9_876_543_210,
            "nvmlDeviceGetComputeRunningProcesses_v3": [process(OWN, 7000), process(1, 200), process(2, 300)],
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetEccMode": [1, 0],
            "nvmlSystemGetDriverVersion": "580.65.06",
            "nvmlSystemGetCudaDriverVersion_v2": 13010,
        }
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.__dict__.get("answers", {}):
            raise AttributeError(name)

        def answer(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            value = self.answers[name]
            if isinstance(value, Exception):
                raise value
            return value

        return answer

    def nvmlInit(self) -> None:
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        if index >= len(UUIDS):
            raise RefusedError("Invalid Argument")
        return UUIDS[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in (*UUIDS, INSTANCE):
            raise RefusedError("Not Found")
        return uuid

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle

    def nvmlDeviceGetName(self, handle: str) -> str:
        return f"NVIDIA {handle[:8]}"

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: str) -> str:
        if handle != INSTANCE:
            raise RefusedError("Invalid Argument")
        return UUIDS[0]

    def nvmlDeviceGetClockInfo(self, handle: str, which: int) -> int:
        return {1: 1755, 2: 2619}[which]

    def nvmlDeviceGetMaxClockInfo(self, handle: str, which: int) -> int:
        return {1: 1980, 2: 3201}[which]


@pytest.fixture
def driver() -> Driver:
    return Driver()


def opened(driver: Driver, uuid: str | None = UUIDS[0], **environment: str) -> NvidiaGpu:
    gpu = NvidiaGpu.open(uuid, driver, environment, lambda: OWN)
    assert gpu is not None
    return gpu


def test_a_reading_in_the_units_that_its_fields_name(driver: Driver) -> None:
    assert opened(driver).read() == READ


FIELDS = {
    "nvmlDeviceGetClockInfo": {"sm_clock_mhz": None, "memory_clock_mhz": None},
    "nvmlDeviceGetMaxClockInfo": {"max_sm_clock_mhz": None},
    "nvmlDeviceGetCurrentClocksEventReasons": {"throttle": ()},
    "nvmlDeviceGetPowerUsage": {"power_watts": None},
    "nvmlDeviceGetTemperatureV": {"temperature_celsius": None},
    "nvmlDeviceGetComputeRunningProcesses_v3": {"other_bytes": None},
    "nvmlDeviceGetTotalEnergyConsumption": {"energy_joules": None},
    "nvmlDeviceGetMigMode": {"mig": None},
    "nvmlDeviceGetPersistenceMode": {"persistence": None},
}


def test_every_field_has_its_function() -> None:
    names = {name for changes in FIELDS.values() for name in changes}
    assert names == {field.name for field in dataclasses.fields(Condition)}


@pytest.mark.parametrize("function", FIELDS)
@pytest.mark.parametrize("failure", ["refused", "missing", "garbled"])
def test_one_question_without_an_answer_leaves_all_others(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, function: str, failure: str
) -> None:
    def fail(*arguments: Any) -> Any:
        if failure == "missing":
            raise AttributeError(function)
        raise RefusedError("Not Supported") if failure == "refused" else UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")

    gpu = opened(driver)
    assert getattr(driver, function) is not None
    monkeypatch.setattr(driver, function, fail, raising=False)
    assert gpu.read() == dataclasses.replace(READ, **FIELDS[function])


@pytest.mark.parametrize(
    ("newer", "older", "answer"),
    [
        ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", 66),
        ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons", 0x04),
        ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2", [process(1, 500)]),
    ],
)
@pytest.mark.parametrize("how", ["the module is older", "the driver is older"])
def test_older_functions_are_asked_where_newer_ones_are_missing(
    driver: Driver, newer: str, older: str, answer: Any, how: str
) -> None:
    if how == "the module is older":
        del driver.answers[newer]
    else:
        driver.answers[newer] = RefusedError("Function Not Found")
    driver.answers[older] = answer
    assert opened(driver).read() == READ


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("family", ["Event", "Throttle"])
def test_each_reason_alone(driver: Driver, monkeypatch: pytest.MonkeyPatch, bit: int, family: str) -> None:
    if family == "Throttle":
        for reason in SLOWING:
            name = f"nvmlClocksEventReason{reason}"
            monkeypatch.setattr(Driver, f"nvmlClocksThrottleReason{reason}", getattr(Driver, name), raising=False)
            monkeypatch.delattr(Driver, name)
    slowing = {2: "power cap", 3: "hardware slowdown", 5: "thermal", 6: "hardware thermal", 7: "power brake"}
    driver.answers["nvmlDeviceGetCurrentClocksEventReasons"] = 1 << bit
    assert opened(driver).read().throttle == ((slowing[bit],) if bit in slowing else ())


def test_reasons_together_and_none(driver: Driver) -> None:
    driver.answers["nvmlDeviceGetCurrentClocksEventReasons"] = 0x01 | 0x02 | 0x08 | 0x40
    assert opened(driver).read().throttle == ("hardware slowdown", "hardware thermal")
    driver.answers["nvmlDeviceGetCurrentClocksEventReasons"] = 0
    assert opened(driver).read().throttle == ()


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ([], 0),
        ([process(OWN, 7000)], 0),
        ([process(OWN, None)], 0),
        ([process(OWN, 7000), process(1, None)], None),
        ([process(2, 300), process(1, None)], None),
        ([process(2, 300), process(1, 0)], None),
        ([process(2, 300), process(2, 50)], 350),
    ],
)
def test_memory_of_others_is_known_as_a_whole_or_not_at_all(
    driver: Driver, processes: list[SimpleNamespace], expected: int | None
) -> None:
    driver.answers["nvmlDeviceGetComputeRunningProcesses_v3"] = processes
    assert opened(driver).read().other_bytes == expected


def test_who_does_not_know_itself_does_not_know_the_others(driver: Driver) -> None:
    gpu = NvidiaGpu.open(UUIDS[0], driver, {}, lambda: None)
    assert gpu is not None
    assert gpu.read() == dataclasses.replace(READ, other_bytes=None)


def test_a_process_knows_its_number_only_in_the_first_namespace(tmp_path: Path) -> None:
    machine, container = tmp_path / "machine", tmp_path / "container"
    machine.symlink_to("pid:[4026531836]")
    container.symlink_to("pid:[4026532201]")
    assert driver_pid(machine) == os.getpid()
    assert driver_pid(container) is None
    assert driver_pid(tmp_path / "none") is None


@pytest.mark.parametrize("known", ["aaaa2222-0000", "GPU-aaaa2222-0000"])
def test_a_uuid_as_torch_gives_it_and_as_nvml_gives_it(driver: Driver, known: str) -> None:
    assert opened(driver, known, CUDA_VISIBLE_DEVICES="0").facts()["gpu_name"] == "NVIDIA GPU-aaaa"
    asked = [arguments[0] for name, *arguments in driver.asked if name == "nvmlDeviceGetEccMode"]
    assert asked == ["GPU-aaaa2222-0000"]


@pytest.mark.parametrize("known", ["cccc4444-0000", INSTANCE])
def test_an_instance_has_its_own_processes_and_the_clocks_of_its_gpu(driver: Driver, known: str) -> None:
    driver.answers["nvmlDeviceGetMigMode"] = [1, 1]
    gpu = opened(driver, known)
    assert gpu.read() == dataclasses.replace(READ, mig=True)
    assert gpu.facts()["gpu_name"] == "NVIDIA MIG-cccc"
    asked = {name: arguments[0] for name, *arguments in driver.asked if arguments}
    assert asked.pop("nvmlDeviceGetComputeRunningProcesses_v3") == INSTANCE
    assert set(asked.values()) == {UUIDS[0]}


@pytest.mark.parametrize(
    ("setting", "first", "index"),
    [
        (None, 0, 0),
        ("0", 0, 0),
        ("2,0", 2, 2),
        (" 1 , 2", 1, 1),
        ("1,-1,0", 1, 1),
        ("7", 7, None),
        ("", None, None),
        ("-1", None, None),
        ("-1,0", None, None),
        ("NoDevFiles", None, None),
        ("GPU-aaaa2222-0000", "GPU-aaaa2222-0000", 1),
        ("GPU-bbbb,GPU-aaaa1", "GPU-bbbb", 2),
        ("GPU-aaaa", "GPU-aaaa", None),
        ("GPU-dddd", "GPU-dddd", None),
        ("MIG-dddd", "MIG-dddd", None),
    ],
)
def test_the_first_gpu_that_cuda_may_see(
    driver: Driver, setting: str | None, first: int | str | None, index: int | None
) -> None:
    environment = {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting}
    assert first_visible(environment) == first
    gpu = NvidiaGpu.open(None, driver, environment)
    assert (gpu and gpu._gpu) == (None if index is None else UUIDS[index])
    assert driver.opened == (0 if gpu is None else 1)


@pytest.mark.parametrize("uuid", ["", "eeee", "GPU-eeee", "MIG-eeee"])
def test_an_unknown_uuid_opens_nothing(driver: Driver, uuid: str) -> None:
    driver.answers["nvmlDeviceGetCount"] = 1  # an only GPU is no answer to every question
    assert NvidiaGpu.open(uuid, driver, {}) is None
    assert driver.opened == 0


def test_what_is_opened_is_closed(driver: Driver) -> None:
    gpu = opened(driver)
    assert driver.opened == 1
    gpu.close()
    assert driver.opened == 0


def test_facts_for_a_manifest(driver: Driver) -> None:
    assert opened(driver).facts() == {
        "gpu_name": "NVIDIA GPU-aaaa",
        "gpu_driver": "580.65.06",
        "gpu_driver_cuda": "13.1",
        "gpu_max_sm_clock_mhz": "1980",
        "gpu_max_memory_clock_mhz": "3201",
        "gpu_power_limit_watts": "700",
        "gpu_ecc": "on",
    }


def test_unknown_facts_are_left_out(driver: Driver) -> None:
    gpu = opened(driver)
    driver.answers = {"nvmlDeviceGetEccMode": [0, 1]}
    assert set(gpu.facts()) == {"gpu_name", "gpu_ecc", "gpu_max_sm_clock_mhz", "gpu_max_memory_clock_mhz"}
    assert gpu.facts()["gpu_ecc"] == "off"


@pytest.fixture
def has_driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def decide(there: bool) -> None:
        monkeypatch.setattr(nvidia, "_has_driver", lambda: there)

    return decide


def test_a_driver_that_does_not_answer_is_no_gpu(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "nvmlInit", Mock(side_effect=RefusedError("Driver Not Loaded")))
    assert NvidiaGpu.open(None, driver, {}) is None
    said = "no CUDA device: the NVIDIA driver does not answer (Driver Not Loaded)"
    assert absent_reason(driver, {}) == said
    assert driver.opened == 0


@pytest.mark.parametrize("module", [True, False])
def test_no_management_library_is_not_no_driver(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, has_driver: Callable[[bool], None], module: bool
) -> None:
    """A container may be given CUDA's library alone, and the Python module may be missing."""
    monkeypatch.setattr(driver, "nvmlInit", Mock(side_effect=NoLibraryError()))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = driver if module else None
    assert NvidiaGpu.open(None, found, {}) is None
    has_driver(False)
    assert "libcuda" in (said := str(absent_reason(found, {})))
    assert "libnvidia-ml" in said
    has_driver(True)
    assert absent_reason(found, {}) is None
    assert "hides every GPU" in str(absent_reason(found, {"CUDA_VISIBLE_DEVICES": ""}))
    assert driver.opened == 0


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, None),
        ("2", None),
        ("GPU-aaaa1", None),
        ("", "no CUDA device: CUDA_VISIBLE_DEVICES='' hides every GPU: unset CUDA_VISIBLE_DEVICES"),
        ("-1", "no CUDA device: CUDA_VISIBLE_DEVICES='-1' hides every GPU: unset CUDA_VISIBLE_DEVICES"),
        ("3,0", "CUDA_VISIBLE_DEVICES='3,0' begins with a GPU that is not among the 3 here: unset"),
    ],
)
def test_a_variable_that_hides_the_gpus_is_named(driver: Driver, setting: str | None, expected: str | None) -> None:
    reason = absent_reason(driver, {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting})
    assert (reason is None) if expected is None else (expected in str(reason))
    assert driver.opened == 0


def test_a_driver_without_a_gpu(driver: Driver) -> None:
    driver.answers["nvmlDeviceGetCount"] = 0
    assert absent_reason(driver, {}) == "no CUDA device: the NVIDIA driver reports no GPU"
    driver.answers["nvmlDeviceGetCount"] = RefusedError("Unknown Error")
    assert absent_reason(driver, {}) == "no CUDA device: the NVIDIA driver does not answer (Unknown Error)"
    assert driver.opened == 0


def names_used() -> set[str]:
    """Every name of NVML in the source, written as a text or as an attribute, and those that are put together."""
    tree = ast.parse(Path(nvidia.__file__).read_text(encoding="utf-8"))
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {name for name in words | attributes if name.isidentifier() and name.lower().startswith("nvml")}
    families = {name for name in names if name.endswith("Reason")}
    return (names - families) | {family + reason for family in families for reason in SLOWING}


def test_the_real_module_has_every_name_that_is_used() -> None:
    names = names_used()
    assert {"nvmlInit", "nvmlDeviceGetMigMode", "NVML_CLOCK_SM", "NVMLError_LibraryNotFound"} <= names
    assert {"nvmlClocksEventReasonSwPowerCap", "nvmlClocksThrottleReasonHwSlowdown"} <= names
    assert [name for name in sorted(names) if not hasattr(pynvml, name)] == []


def test_the_double_has_the_constants_of_the_real_module() -> None:
    constants = {name: value for name, value in vars(Driver).items() if isinstance(value, int)}
    assert constants == {name: getattr(pynvml, name) for name in constants}


def driver_present() -> bool:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return False
    except pynvml.NVMLError:
        return True
    pynvml.nvmlShutdown()
    return True


def test_the_real_module_where_there_is_no_driver() -> None:
    if driver_present():
        pytest.skip("an NVIDIA driver is installed here")
    assert nvidia._has_driver() == (absent_reason() is None)
    assert NvidiaGpu.open() is None


@pytest.mark.cuda
def test_a_real_gpu_tells_its_condition() -> None:
    reason = absent_reason()
    gpu = NvidiaGpu.open()
    if gpu is None:
        pytest.skip(reason or "the driver does not give the GPU away")
    assert "gpu_name" in gpu.facts()
    condition = gpu.read()
    assert condition.sm_clock_mhz is None or 0 < condition.sm_clock_mhz <= (condition.max_sm_clock_mhz or 10_000)
    assert condition.temperature_celsius is None or 0 < condition.temperature_celsius < 120
    gpu.close()
