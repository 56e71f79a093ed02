"""CUDA graphs without a GPU: what `torch.cuda.graph` records is replayed on the CPU, under the rules of real capture.

Real capture runs nothing: it notes each kernel with the addresses that it reads and writes. Here a dispatch mode sees
every operation (backward too: the CPU's runs in the calling thread). It has to run each one to learn the shapes, so
whatever an operation wrote is put back when capture ends, and memory that was allocated in between is filled with NaN,
the garbage that it would hold on a GPU. A replay does the same operations on the same memory, whatever Python's names
mean by then. What would need the host to wait for the device raises while capturing.

Not simulated: that a graph's pool reuses memory inside the graph, and that streams run at the same time. A call of
`Tensor.to` is noticed where it names "cpu" as text; the simulated device itself is `torch.device("cpu")`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from bench import Device

NEEDS_HOST = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
"""Operations whose result, or its shape, the host must know before it can go on: `item`, `equal`, `nonzero`."""
HOST_READS = ("cpu", "numpy", "tolist")
"""Methods that copy to the host. On a CPU tensor they do so without any operation, so the mode cannot see them."""


def refuse(what: str) -> None:
    """Raise as CUDA does where a stream that is being captured would have to be waited for."""
    raise RuntimeError(f"operation not permitted when stream is capturing: {what}")


def address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def alias(tree: Any) -> Any:
    """The same structure with tensors that share the memory and nothing else: neither autograd nor a later rebind."""
    return tree_map_only(torch.Tensor, lambda tensor: tensor.detach(), tree)


def tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def written(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The arguments that the operation's schema says it writes to."""
    given = dict(zip((argument.name for argument in operation._schema.arguments), args, strict=False)) | kwargs
    marked = [a.name for a in operation._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return tensors([given[name] for name in marked if name in given])


@dataclass(frozen=True)
class Call:
    """One recorded operation: a kernel with its addresses."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[torch.Tensor]

    def run(self) -> None:
        results = tensors(self.operation(*self.args, **self.kwargs))
        for output, result in zip(self.outputs, results, strict=True):
            if address(output) != address(result):  # otherwise it was written in place
                output.copy_(result)


class Recorder(TorchDispatchMode):
    """Sees every operation between the beginning and the end of a capture."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._allocated: dict[int, torch.Tensor] = {}
        self._before: dict[int, tuple[torch.Tensor, torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if any(tag in operation.tags for tag in NEEDS_HOST):
            refuse(str(operation))
        changed = written(operation, args, kwargs)
        for tensor in changed:
            if address(tensor) not in self._allocated and address(tensor) not in self._before:
                self._before[address(tensor)] = tensor.detach(), tensor.untyped_storage().clone()
        known = {address(tensor) for tensor in tensors((args, kwargs))}
        result = operation(*args, **kwargs)
        outputs = tensors(alias(result))
        new = [output for output in outputs if address(output) not in known]
        self._allocated |= {address(output): output for output in new}
        if changed or new:  # a view is no kernel
            self.calls.append(Call(operation, alias(args), alias(kwargs), outputs))
        return result

    def undo(self) -> None:
        """Leave memory as capture leaves it: what was there unchanged, what is new without a value."""
        for tensor, storage in self._before.values():
            tensor.untyped_storage().copy_(storage)
        for tensor in self._allocated.values():
            if tensor.is_floating_point():
                tensor.fill_(torch.nan)


class Stream:
    """A stream that only knows its name; its work has ended before the next line of Python runs."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self._log = name, log

    def wait_stream(self, other: Stream) -> None:
        self._log.append(f"{self.name} waits for {other.name}")


class Graph:
    """Stands for `torch.cuda.CUDAGraph`."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._calls: list[Call] | None = None

    def hold(self, calls: list[Call]) -> None:
        self._calls = calls

    def replay(self) -> None:
        if self._calls is None:
            raise RuntimeError("replay() of a graph without a successful capture")
        self._simulation.check("replay()")
        with torch.no_grad():
            for call in self._calls:
                call.run()


class Simulation:
    """A device that is being simulated, and what happened on it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.kept: list[torch.Tensor] = []
        """What `put` made, in order: the batch's two tensors come first."""
        self.captured: list[str] = []
        """The operations of the last capture."""
        self._current = [Stream("default", self.log)]
        self._streams = 0
        self._capturing = False

    @property
    def device(self) -> Device:
        return Device("cuda", "simulated", 1, torch.device("cpu"), self._put, self.synchronize)

    def check(self, what: str) -> None:
        if self._capturing:
            refuse(what)

    def _put(self, array: Any) -> torch.Tensor:
        self.check("a copy from the host")
        self.kept.append(torch.tensor(array))
        return self.kept[-1]

    def synchronize(self, device: object = None) -> None:
        self.check("synchronize()")

    def new_stream(self) -> Stream:
        self._streams += 1
        return Stream(f"side {self._streams}", self.log)

    def current_stream(self, device: object = None) -> Stream:
        return self._current[-1]

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        self._current.append(stream)
        self.log.append(f"on {stream.name}")
        try:
            yield
        finally:
            self._current.pop()
            self.log.append(f"on {self._current[-1].name}")

    @contextmanager
    def capture(self, graph: Graph) -> Iterator[None]:
        self.synchronize()  # as the real one does: capture inside capture is refused, too
        self.log.append("capture begins")
        recorder = Recorder()
        self._capturing = True
        try:
            with recorder:
                yield
        finally:
            self._capturing = False
            recorder.undo()
        graph.hold(recorder.calls)
        self.captured = [str(call.operation) for call in recorder.calls]
        self.log.append("capture ends")

    def reading(self, name: str) -> Callable[..., Any]:
        """A Tensor method that reads on the host, refused while capturing; `cpu` copies, as from a device."""
        real = getattr(torch.Tensor, name)

        def read(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if name != "to" or "cpu" in [given for given in (*args, *kwargs.values()) if isinstance(given, str)]:
                self.check(f"Tensor.{name}()")
            return tensor.clone() if name == "cpu" else real(tensor, *args, **kwargs)

        return read


@contextmanager
def simulated(foreach: bool = True) -> Iterator[Simulation]:
    """Replace what a program asks of `torch.cuda` to capture and replay a graph.

    Args:
        foreach: optimisers take their multi-tensor path, as they do on a GPU, or else the loop over parameters.
    """
    simulation = Simulation()
    cuda = {
        "Stream": simulation.new_stream,
        "stream": simulation.on,
        "current_stream": simulation.current_stream,
        "CUDAGraph": lambda: Graph(simulation),
        "graph": simulation.capture,
        "synchronize": simulation.synchronize,
    }
    with ExitStack() as stack:
        for name, stand_in in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, stand_in))
        for name in (*HOST_READS, "to"):
            stack.enter_context(mock.patch.object(torch.Tensor, name, simulation.reading(name)))
        # A capturable optimiser refuses CPU tensors, and takes its multi-tensor path only on a GPU: these two lists
        # say on which devices. The arithmetic that they let through is the same.
        capturable = mock.patch("torch.optim.adam._get_capturable_supported_devices", return_value=["cpu"])
        multi = mock.patch("torch.optim.optimizer._get_foreach_kernels_supported_devices", return_value=["cpu"])
        stack.enter_context(capturable)
        if foreach:
            stack.enter_context(multi)
        yield simulation
