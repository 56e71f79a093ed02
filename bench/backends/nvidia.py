"""The condition of an NVIDIA GPU, read from the driver's management library (NVML) through nvidia-ml-py.

NVML is separate from CUDA: reading it opens no context on the GPU, so a process may read and still fork or measure. A
forked process opens its own `NvidiaGpu`.

Which GPU? NVML counts GPUs by their place on the PCI bus. CUDA counts them by speed, the fastest first, unless
CUDA_DEVICE_ORDER=PCI_BUS_ID says otherwise. With GPUs of several kinds in one machine the same index can therefore mean
two different GPUs, and only a UUID is safe; torch has it among a device's properties.

Functions and constants are those of the NVML API reference (docs.nvidia.com/deploy/nvml-api).
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.model.condition import Condition

VISIBLE = "CUDA_VISIBLE_DEVICES"
SLOWING = {
    "SwPowerCap": "power cap",
    "HwSlowdown": "hardware slowdown",
    "SwThermalSlowdown": "thermal",
    "HwThermalSlowdown": "hardware thermal",
    "HwPowerBrakeSlowdown": "power brake",
}
"""Those of NVML's reasons that slow a GPU down, and their usual names. Its others do not: an idle GPU, clocks that were
set, clocks in step with another GPU or a display."""
_PID_NAMESPACE = Path("/proc/self/ns/pid")
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The namespace of the machine itself; its number is fixed in the kernel (PROC_PID_INIT_INO)."""


def absent_reason(nvml: Any = None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return why there is no CUDA device, in words that contain the cure; None if there is one.

    A container may have CUDA without NVML. Then the driver's own library tells that there is a driver, and how many
    GPUs it has is not asked: whoever asks it can no longer fork.

    Args:
        nvml: the module pynvml or a double of it; it is imported if it is not given.
        environment: the variables that may hide GPUs.
    """
    library = nvml or _library()
    count: int | None = None
    try:
        if library is not None:
            count = _gpus(library)
    except library.NVMLError_LibraryNotFound:
        pass
    except library.NVMLError as error:
        return f"no CUDA device: the NVIDIA driver does not answer ({error})"
    if count is None and not _has_driver():
        return (
            "no CUDA device: neither NVML (libnvidia-ml) nor CUDA's driver (libcuda) is installed, or this container "
            "was not given them"
        )
    if count == 0:
        return "no CUDA device: the NVIDIA driver reports no GPU"
    first, setting = first_visible(environment), f"{VISIBLE}={environment.get(VISIBLE)!r}"
    if first is None:
        return f"no CUDA device: {setting} hides every GPU: unset {VISIBLE}"
    if isinstance(first, int) and count is not None and first >= count:
        return f"no CUDA device: {setting} begins with a GPU that is not among the {count} here: unset {VISIBLE}"
    return None


def gpu_count(nvml: Any = None, environment: Mapping[str, str] = os.environ) -> int | None:
    """Return how many GPUs CUDA sees, as far as NVML tells; None if it does not.

    Args:
        nvml: the module pynvml or a double of it; it is imported if it is not given.
        environment: the variables that may hide GPUs.
    """
    library = nvml or _library()
    try:
        every = None if library is None else _gpus(library)
    except library.NVMLError:
        every = None
    named = environment.get(VISIBLE)
    if every is None or named is None:
        return every
    return min(every, len([part for part in named.split(",") if part.strip()]))


def _gpus(nvml: Any) -> int:
    nvml.nvmlInit()
    try:
        return int(nvml.nvmlDeviceGetCount())
    finally:
        nvml.nvmlShutdown()


def _has_driver() -> bool:
    """Tell whether CUDA's driver can be loaded; loading starts nothing and touches no GPU."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def first_visible(environment: Mapping[str, str]) -> int | str | None:
    """Return the GPU that CUDA counts as its first: an index, a UUID or the start of one; None if all are hidden.

    CUDA reads the list up to the first entry that names no GPU, so an empty list, -1 or a word hides all of them
    (CUDA programming guide, appendix on environment variables).
    """
    setting = environment.get(VISIBLE)
    if setting is None:
        return 0
    first = setting.partition(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return first
    index = re.match(r"\+?\d+", first)
    return int(index[0]) if index else None


def driver_pid(namespace: Path = _PID_NAMESPACE) -> int | None:
    """Return this process's number as the driver knows it, or None where that cannot be told.

    In a container the driver lists processes by the machine's numbers or, if newer, only some of them and without their
    memory; a process there can neither find itself in the list nor rely on the list being complete.
    """
    try:
        return os.getpid() if str(namespace.readlink()) == _FIRST_PID_NAMESPACE else None
    except OSError:
        return None


def total_memory() -> int | None:
    """Return all memory of the GPU that CUDA counts first; None if it cannot be told."""
    gpu = NvidiaGpu.open()
    if gpu is None:
        return None
    try:
        return gpu.memory_bytes()
    finally:
        gpu.close()


def lease(environment: Mapping[str, str] = os.environ) -> str:
    """Return a name for the GPU that CUDA counts first: by its UUID, and where NVML does not tell it, by its place."""
    gpu = NvidiaGpu.open(environment=environment)
    if gpu is None:
        return f"cuda-{first_visible(environment)}"
    try:
        return gpu.uuid() or f"cuda-{first_visible(environment)}"
    finally:
        gpu.close()


class NvidiaGpu:
    """One GPU, or one MIG instance of it; made by `open`.

    Clocks, power and temperature of an instance are those of the whole GPU, which its instances share; the processes
    are the instance's own.
    """

    def __init__(self, nvml: Any, gpu: Any, instance: Any, own_pid: Callable[[], int | None]) -> None:
        self._nvml, self._gpu, self._instance, self._own_pid = nvml, gpu, instance, own_pid

    @classmethod
    def open(
        cls,
        uuid: str | None = None,
        nvml: Any = None,
        environment: Mapping[str, str] = os.environ,
        own_pid: Callable[[], int | None] = driver_pid,
    ) -> NvidiaGpu | None:
        """Return the GPU with that UUID, with or without its `GPU-` or `MIG-`; None if there is none. Never raises.

        Without a UUID it is the first that CUDA_VISIBLE_DEVICES allows, in NVML's order: see the module's docstring.
        """
        library = nvml or _library()
        if library is None:
            return None
        try:
            library.nvmlInit()
        except _failures(library):
            return None
        handle = _handle(library, first_visible(environment) if uuid is None else uuid)
        if handle is None:
            _ask(library, ("nvmlShutdown",))
            return None
        whole = _ask(library, ("nvmlDeviceGetDeviceHandleFromMigDeviceHandle",), handle)  # refused for a whole GPU
        return cls(library, handle if whole is None else whole, handle, own_pid)

    def close(self) -> None:
        """Close the library, which counts how often it was opened."""
        _ask(self._nvml, ("nvmlShutdown",))

    def read(self) -> Condition:
        """Return the condition now; a field is None if the driver refuses to tell it or does not know it."""
        nvml = self._nvml
        temperature = self._ask("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", of=nvml.NVML_TEMPERATURE_GPU)
        mig = self._ask("nvmlDeviceGetMigMode")
        persistence = self._ask("nvmlDeviceGetPersistenceMode")
        return Condition(
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", of=nvml.NVML_CLOCK_SM),
            memory_clock_mhz=self._ask("nvmlDeviceGetClockInfo", of=nvml.NVML_CLOCK_MEM),
            max_sm_clock_mhz=self._ask("nvmlDeviceGetMaxClockInfo", of=nvml.NVML_CLOCK_SM),
            throttle=self._throttle(),
            power_watts=_thousandth(self._ask("nvmlDeviceGetPowerUsage")),
            temperature_celsius=None if temperature is None else float(temperature),
            other_bytes=self._other_bytes(),
            energy_joules=_thousandth(self._ask("nvmlDeviceGetTotalEnergyConsumption")),
            mig=None if mig is None else mig[0] == nvml.NVML_DEVICE_MIG_ENABLE,
            persistence=None if persistence is None else persistence == nvml.NVML_FEATURE_ENABLED,
        )

    def uuid(self) -> str | None:
        """Return the GPU's UUID, or its instance's; None if the driver does not tell."""
        found = _ask(self._nvml, ("nvmlDeviceGetUUID",), self._instance)
        return None if found is None else str(found)

    def memory_bytes(self) -> int | None:
        """Return all memory of the GPU or of its instance; None if the driver does not tell."""
        found = _ask(self._nvml, ("nvmlDeviceGetMemoryInfo",), self._instance)
        return None if found is None else int(found.total)

    def facts(self) -> dict[str, str]:
        """Return what does not change during a run, for its manifest; unknown facts are left out."""
        nvml = self._nvml
        cuda = _ask(nvml, ("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"))
        limit = _thousandth(self._ask("nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"))
        ecc = self._ask("nvmlDeviceGetEccMode")
        name = _ask(nvml, ("nvmlDeviceGetName",), self._instance)
        found = {
            "gpu_name": self._ask("nvmlDeviceGetName") if name is None else name,
            "gpu_driver": _ask(nvml, ("nvmlSystemGetDriverVersion",)),
            "gpu_driver_cuda": None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
            "gpu_max_sm_clock_mhz": self._ask("nvmlDeviceGetMaxClockInfo", of=nvml.NVML_CLOCK_SM),
            "gpu_max_memory_clock_mhz": self._ask("nvmlDeviceGetMaxClockInfo", of=nvml.NVML_CLOCK_MEM),
            "gpu_power_limit_watts": None if limit is None else f"{limit:g}",
            "gpu_ecc": None if ecc is None else ("on" if ecc[0] == nvml.NVML_FEATURE_ENABLED else "off"),
        }
        return {key: str(value) for key, value in found.items() if value is not None}

    def _ask(self, *names: str, of: int | None = None) -> Any:
        return _ask(self._nvml, names, self._gpu, *(() if of is None else (of,)))

    def _throttle(self) -> tuple[str, ...]:
        mask = self._ask("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
        return tuple(name for reason, name in SLOWING.items() if (mask or 0) & _bit(self._nvml, reason))

    def _other_bytes(self) -> int | None:
        own = self._own_pid()
        names = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")
        processes = _ask(self._nvml, names, self._instance)
        if own is None or processes is None:
            return None
        held = [process.usedGpuMemory for process in processes if process.pid != own]
        # A process that computes holds memory, so a driver that says 0 does not know either.
        return sum(held) if all(held) else None


def _library() -> Any:
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def _failures(nvml: Any) -> tuple[type[Exception], ...]:
    """Return how a question may fail: refused, a function that nvidia-ml-py lacks, a name in another encoding."""
    return (nvml.NVMLError, AttributeError, UnicodeDecodeError)


def _ask(nvml: Any, names: tuple[str, ...], *arguments: Any) -> Any:
    """Return the answer of the first of these functions, tried in order, that gives one; None if none does."""
    for name in names:
        try:
            return getattr(nvml, name)(*arguments)
        except _failures(nvml):
            continue
    return None


def _handle(nvml: Any, device: int | str | None) -> Any:
    """Return NVML's handle for an index, a UUID, or the only GPU whose UUID begins like that; None if there is none."""
    if device is None:
        return None
    if isinstance(device, int):
        return _ask(nvml, ("nvmlDeviceGetHandleByIndex",), device)
    prefixes = ("",) if device.startswith(("GPU-", "MIG-")) else ("GPU-", "MIG-")  # torch gives it without
    for prefix in prefixes:
        if (handle := _ask(nvml, ("nvmlDeviceGetHandleByUUID",), prefix + device)) is not None:
            return handle
    if not device.startswith("GPU-"):
        return None
    every = range(_ask(nvml, ("nvmlDeviceGetCount",)) or 0)
    gpus = [gpu for index in every if (gpu := _ask(nvml, ("nvmlDeviceGetHandleByIndex",), index)) is not None]
    alike = [gpu for gpu in gpus if str(_ask(nvml, ("nvmlDeviceGetUUID",), gpu)).startswith(device)]
    return alike[0] if len(alike) == 1 else None


def _bit(nvml: Any, reason: str) -> int:
    """Return the bit of a reason; earlier versions of nvidia-ml-py say throttle where later ones say event."""
    older = getattr(nvml, f"nvmlClocksThrottleReason{reason}", 0)
    return int(getattr(nvml, f"nvmlClocksEventReason{reason}", older))


def _thousandth(value: int | None) -> float | None:
    """Convert what NVML counts in thousandths to watts or joules."""
    return None if value is None else value / 1000
