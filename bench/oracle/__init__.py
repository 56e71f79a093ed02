"""The truth in float64, and the gate that every implementation passes before it is timed."""
