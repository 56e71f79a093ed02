"""Every implementation of torch runs on a device that is not the CPU, and leaves nothing there by mistake.

What runs is `fake_tensors.py`, in a process of its own. A new file in implementations/ is covered by being there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.model.discovery import discover

ROOT = Path(__file__).resolve().parents[2]
NAMES = [item.name for item in discover() if item.framework == "torch" and item.by_default and not item.devices]


class Fault(NamedTuple):
    """A change to an implementation, and what is said about it."""

    base: str
    right: str
    wrong: str
    found: str


LOSS = "        loss = (y_pred - y).pow(2).sum()\n"
MISMATCH = "FakeTensorDeviceMismatchError"
READ = "DataDependentOutputException: aten._local_scalar_dense"
FAULTS = {
    "the batch on the host": Fault(
        "torch_tensor",
        "x, y = device.put(data.x), device.put(data.y)",
        "import torch; x, y = torch.tensor(data.x), torch.tensor(data.y)",
        MISMATCH,
    ),
    "the targets on the host": Fault(
        "torch_nn",
        "x, y = device.put(data.x), device.put(data.y)",
        "x, y = device.put(data.x), torch.tensor(data.y)",
        MISMATCH,
    ),
    "the model on the host": Fault("torch_nn", '"device": device.handle, ', "", MISMATCH),
    "a mask on the host": Fault(
        "torch_custom_function", "values < 0,", "torch.zeros(values.shape, dtype=torch.bool),", MISMATCH
    ),
    "the optimiser's own sums on the host": Fault(
        "torch_optim",
        "        optimizer.step()\n",
        "        optimizer.step(); torch.zeros(3).add_(1)\n",
        "works on the host",
    ),
    "item": Fault("torch_tensor", LOSS, LOSS + "        loss.item()\n", READ),
    "float": Fault("torch_tensor", LOSS, LOSS + "        float(loss)\n", READ),
    "a condition": Fault("torch_tensor", LOSS, LOSS + "        assert loss > 0\n", READ),
    "range": Fault("torch_tensor", LOSS, LOSS + "        range((h > 0).sum())\n", READ),
    "as many as there are": Fault("torch_tensor", LOSS, LOSS + "        h[h < 0]\n", "DynamicOutputShapeException"),
    "cpu": Fault("torch_tensor", LOSS, LOSS + "        loss.cpu()\n", "aten::_to_copy leaves the device"),
    "to cpu": Fault("torch_tensor", LOSS, LOSS + "        w2.to('cpu')\n", "aten::_to_copy leaves the device"),
    "numpy": Fault("torch_tensor", LOSS, LOSS + "        loss.numpy()\n", "numpy() is not supported"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the program says of all implementations, the faulty ones by the names of their faults."""
    files = []
    for number, fault in enumerate(FAULTS.values()):
        text = (ROOT / "implementations" / f"{fault.base}.py").read_text(encoding="utf-8")
        assert text.count(fault.right) == 1, f"{fault.base} no longer holds {fault.right!r}"
        text = text.replace(fault.right, fault.wrong).replace(f'"{fault.base}"', f'"fault-{number}"')
        path = tmp_path_factory.mktemp("fault") / "fault.py"
        path.write_text(text, encoding="utf-8")
        files.append(str(path))
    program = Path(__file__).with_name("fake_tensors.py")
    done = subprocess.run(
        [sys.executable, str(program), *files],
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, **{name: found[f"fault-{number}"] for number, name in enumerate(FAULTS)}}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_another_device_and_stays_there(report: Mapping[str, Any], name: str) -> None:
    found = report[name]
    assert found["error"] == ""
    assert found["strays"] == []
    assert found["stages"] == 9
    assert set(found["where"].values()) == {"fakegpu"}
    assert "loss" in found["where"]
    gradients = [key for key in found["where"] if ".grad" in key or key.startswith("grad")]
    assert len(gradients) >= 2


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(report: Mapping[str, Any], name: str) -> None:
    found = report[name]
    assert FAULTS[name].found in found["error"] + " ".join(found["strays"])
