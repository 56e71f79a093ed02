"""Floating-point operations of a torch step, counted operation by operation while it runs as it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.model.step import Step

_PRODUCT = re.compile(
    r"(^|_)\w*(mm|mv)(_|$)|(^|_)v?dot(_|$)|conv|rnn|lstm|gru|attention|transformer|linear|linalg|fft|einsum|matmul"
    r"|dist(_|$)|(^|_)(addr|ger|outer|cross|inverse|cholesky\w*|svd|qr|eig\w*|solve\w*|lu\w*)(_|$)"
)
"""Names of operations that multiply and add up. One of these that the counter has no formula for makes a count unknown;
`linear` is in `bilinear` and `trilinear` too."""


def count_flops(step: Step) -> dict[str, float]:
    """Count the operations in the products of each stage of a step; none if they are not known or differ between steps.

    Attention and recurrent layers are computed by the plain operations that they consist of, which can be counted: what
    a fused kernel computes twice to save memory is no part of it.

    Args:
        step: a step that nothing has compiled, not yet run.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False):
            first, second = _counted(step), _counted(step)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return first if first == second else {}


def _counted(step: Step) -> dict[str, float]:
    """Run one step under torch's counter; nothing if it did something that the counter does not know."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    known = FlopCounterMode(display=False).flop_registry
    unknown: list[str] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            schema = operation._schema.name
            space, _, name = schema.partition("::")
            if operation.overloadpacket not in known and (
                space not in ("aten", "prims", "profiler") or _PRODUCT.search(name)
            ):
                unknown.append(schema)
            return operation(*args, **(kwargs or {}))

    found = {}
    for stage in step.stages:
        with Watch(), FlopCounterMode(display=False) as counter:  # type: ignore[no-untyped-call]
            stage.run()
        found[stage.label] = float(counter.get_total_flops())
    return {} if unknown or not any(found.values()) else found
