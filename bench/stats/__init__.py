"""Estimates, tests and change points: pure functions on arrays."""
