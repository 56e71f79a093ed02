"""Runs of schema version 2, read as what they would be in the present one.

Then every sample repeated the columns of its case, and sizes were those of one network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.data.column import Column
from bench.data.schema import SCHEMA_VERSION
from bench.model.columns import SIZE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2
_SIZES = ("batch", "d_in", "hidden", "d_out")
SIZES = tuple(f"{SIZE_PREFIX}{name}" for name in _SIZES)
"""Columns of the sizes that every workload had."""
_CASE = (
    "schema_version:int run_id:str implementation:str workload:str backend:str framework:str device:str dtype:str "
    "batch:int d_in:int hidden:int d_out:int threads:int mode:str precision:str"
)
_FILES = {
    "samples.csv": f"{_CASE} device_name:str phase:str method:str clock:str round:int process:int sample:int "
    "iterations:int seconds:float depth:int? flags:str",
    "processes.csv": f"{_CASE} round:int process:int status:str reason:str verified:bool loss_error:float? "
    "gradient_error:float? change_error:float? warmup_iterations:int? warmup_settled:bool? threads_used:int? "
    "peak_bytes:int? build_seconds:float? start_seconds:float? wall_seconds:float? zygote:int? throttled:str "
    "clock_mhz:int? power_watts:float? temperature_celsius:float? other_bytes:int? energy_joules:float?",
    "summary.csv": f"{_CASE} phase:str method:str? clock:str? depth:int? status:str reason:str verified:bool "
    "processes:int samples:int median_seconds:float? low_seconds:float? high_seconds:float? minimum_seconds:float? "
    "share:float? baseline:str? speedup:float? speedup_low:float? speedup_high:float? sync_tax:float? "
    "sync_tax_low:float? sync_tax_high:float? gflops:float? peak_fraction:float? energy_joules:float? "
    "invalid_rounds:int flagged:int clean_median_seconds:float? unsettled:int peak_bytes:int?",
    "crossovers.csv": "schema_version:int run_id:str workload:str axis:str dtype:str batch:int? d_in:int? hidden:int? "
    "d_out:int? mode:str precision:str a_implementation:str a_backend:str a_threads:int b_implementation:str "
    "b_backend:str b_threads:int status:str crossing:int faster_below:str faster_above:str size:float? "
    "size_low:float? size_high:float? smallest:int largest:int sizes:int",
}
_KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
_RENAMED = {"depth": "variant", "sample": "turn", **{name: f"{SIZE_PREFIX}{name}" for name in _SIZES}}
_FRAMEWORK = {"numpy": "numpy", "torch-cpu": "torch", "torch-cuda": "torch", "tf-graph": "tensorflow"}
_DEVICE = {"numpy": "cpu", "torch-cpu": "cpu", "torch-cuda": "cuda", "tf-graph": "cpu"}
"""What the backends that there were computed with and on; crossovers.csv named the backend alone."""
_TITLES = {
    "mlp_sgd": ("no bias, SGD", "numpy_manual"),
    "mlp_bias_sgd": ("bias, SGD", "numpy_bias_sgd"),
    "mlp_bias_adam": ("bias, Adam", "numpy_adam"),
    "mlp_dynamic": ("random depth, SGD with momentum", "numpy_dynamic"),
}
"""Title and baseline of the workloads that there were."""


def columns(file: str) -> tuple[Column, ...]:
    """List the columns that a file of a run had in version 2."""
    found = []
    for word in _FILES[file].split():
        name, _, kind = word.partition(":")
        found.append(Column(name, _KINDS[kind.rstrip("?")], kind.endswith("?"), "", "", (name,)))
    return tuple(found)


def manifest(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the manifest of a run of version 2 into a present one."""
    found: dict[str, Any] = {**raw, "schema_version": SCHEMA_VERSION}
    renamed = {"modes": "facts", "target_precision": "within", "crossover_precision": "crossover_within"}
    for before, now in renamed.items():
        if before in found:
            found[now] = found.pop(before)
    found["cases"] = [{**item, "columns": _case(item["columns"])} for item in raw.get("cases", [])]
    found["axes"] = {_RENAMED.get(name, name): values for name, values in raw.get("axes", {}).items()}
    used = {item["columns"]["workload"] for item in found["cases"]}
    found["workloads"] = {
        name: {"title": title, "baseline": baseline, "sizes": list(_SIZES)}
        for name, (title, baseline) in _TITLES.items()
        if name in used
    }
    return found


def _case(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**{_RENAMED.get(name, name): value for name, value in values.items()}, "devices": 1}


def frame(found: pd.DataFrame, now: tuple[Column, ...]) -> pd.DataFrame:
    """Turn a frame of version 2 into one with the present columns; what was not recorded then is unknown."""
    renamed = found.rename(columns=_RENAMED)
    if "axis" in renamed:
        renamed["axis"] = renamed["axis"].map(lambda name: _RENAMED.get(name, name))
    if "devices" not in renamed:
        renamed["devices"] = 1
    if "schema_version" in renamed:
        renamed["schema_version"] = SCHEMA_VERSION
    for side in ("a", "b") if "a_backend" in renamed else ():
        renamed[f"{side}_framework"] = renamed[f"{side}_backend"].map(_FRAMEWORK).fillna("")
        renamed[f"{side}_device"] = renamed[f"{side}_backend"].map(_DEVICE).fillna("")
    for column in now:
        if column.name not in renamed:
            renamed[column.name] = "" if column.kind is str else None
    return renamed[[column.name for column in now]]
