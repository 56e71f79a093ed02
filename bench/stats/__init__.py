"""Pure functions on arrays: estimates, tests and change points. What they cannot work with raises ValueError."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
