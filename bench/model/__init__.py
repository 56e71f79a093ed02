"""What the author of an implementation sees: problem, data, step, device. No I/O, no timing, no framework."""
