"""Many measuring processes, driven from one parent that never measures."""
