"""How numbers are rounded inside a step, whatever the format of data and results is."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """How products of float32 arrays may be computed."""

    FULL = "full"
    TF32 = "tf32"
    """Factors may be rounded to TensorFloat-32 (10 bits of mantissa) where the hardware has it."""
    AMP_BF16 = "amp-bf16"
    """Products in bfloat16 (7 bits), parameters and sums in float32: the framework's automatic mixed precision."""
    AMP_FP16 = "amp-fp16"
    """The same in float16 (10 bits), the loss scaled so that gradients do not vanish."""
    BF16 = "bf16"
    """Everything in bfloat16."""

    @property
    def epsilon(self) -> float | None:
        """Distance from 1 to the next larger factor of a product; None where the number format decides."""
        return {"tf32": 2.0**-10, "amp-fp16": 2.0**-10, "amp-bf16": 2.0**-7, "bf16": 2.0**-7}.get(self.value)


USUAL = (Precision.FULL, Precision.TF32)
"""Those that need nothing of a step: the backend alone decides."""
