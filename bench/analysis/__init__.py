"""Arithmetic on arrays and frames: pure functions that measure nothing and import no framework."""
