"""The files of a run; the only place that knows their columns."""
