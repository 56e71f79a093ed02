"""Floating-point operations of a JAX function, read from its trace: nothing runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

_PRODUCT = re.compile(
    r"dot|conv|matmul|fft|cholesky|eig|svd|qr|lu(_|$)|triangular|tridiagonal|schur|householder|hessenberg|custom_call"
    r"|pallas|callback|ffi"
)
"""Names of operations that multiply and add up, or may do anything. One of these that has no formula here makes a count
unknown."""


def count_products(function: Callable[..., Any], *arguments: Any) -> float | None:
    """Count the operations in the products of a function; None if they are not known.

    Args:
        function: it is traced, and not run.
        arguments: arrays, or trees of them.
    """
    import jax

    return _counted(jax.make_jaxpr(function)(*arguments).jaxpr)


def _counted(trace: Any) -> float | None:
    counts = [_of_operation(each) for each in trace.eqns]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _of_operation(operation: Any) -> float | None:
    name, options = operation.primitive.name, operation.params
    if name == "dot_general":
        (contracted, _), _ = options["dimension_numbers"]
        left, made = operation.invars[0].aval, operation.outvars[0].aval
        return float(2 * made.size * math.prod(left.shape[axis] for axis in contracted))
    if name == "conv_general_dilated":
        kernel, made = operation.invars[1].aval, operation.outvars[0].aval
        features = kernel.shape[options["dimension_numbers"].rhs_spec[0]]
        # The zeros that the gradient of a strided convolution puts between its inputs are multiplied by nobody.
        return float(2 * made.size * kernel.size / features / math.prod(options["lhs_dilation"]))
    inner = [_counted(each) for each in _traces(options.values())]
    if None in inner or (not inner and _PRODUCT.search(name)):
        return None
    known = [count for count in inner if count is not None]
    if name == "cond":  # which branch is taken depends on the data
        return known[0] if len({*known}) == 1 else None
    if name == "while":  # so does how often
        return 0.0 if not any(known) else None
    return sum(known) * options.get("length", 1) if name == "scan" else sum(known)


def _traces(values: Any) -> Iterator[Any]:
    """Go through the traces of functions that an operation calls."""
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _traces(value)
        elif hasattr(value, "eqns"):
            yield value
        elif hasattr(value, "jaxpr"):
            yield value.jaxpr
