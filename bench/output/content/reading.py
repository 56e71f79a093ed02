"""A guide to a report, for someone who has never seen one."""

from __future__ import annotations

from bench.output.content.summary import Summary
from bench.output.document import Glossary, Section, prose

_TERMS = {
    "step": (
        "One whole training step: forward, backward and update. Every case is measured in several fresh processes; "
        "each is reduced to the median of its samples, and the time shown is the median of those. Half of the "
        "processes were faster, half were slower; a single bad one hardly moves it."
    ),
    "95 % interval": (
        "Where the median would be expected if the whole measurement were repeated on this machine in this state. It "
        "says how much processes differ. If two intervals are far apart, so are the times; a wide one calls for a "
        "longer measurement. A dash means that there were too few processes for an interval."
    ),
    "speedup": (
        "The time of the workload's baseline over the time of this case: 2x takes half as long, 0.5x twice as long. "
        "Both sides did the same arithmetic, checked against the same reference, in the same rounds. If the interval "
        "contains 1, the run does not show which is faster. It may differ a little from the quotient of two times in "
        "the table, since it is the median of the quotients of single rounds."
    ),
    "whiskers": "In a figure, the thin lines with two ends at a bar or a mark: its 95 % interval.",
    "forward, backward, update": (
        "The three phases of the step, each timed apart. Where all of them run as one piece there is nothing to time "
        "apart: then the framework's own profiler says how the step divides, marked with ~."
    ),
    "sync tax": (
        "What timing the phases apart costs: their sum against the whole step. Near 0 % is good. On a GPU, which "
        "otherwise works ahead of the program, it can be large; then quote the step, not the sum."
    ),
    "of peak": (
        "How many matrix products the step completes in a second, as a part of the most that the same device was "
        "measured to reach with large matrices. It tells a speedup that comes from good use of the hardware from one "
        "that comes from poor use of it on the other side."
    ),
    "flagged": (
        "A sample during which the system's own counters say that something disturbed the measurement. It is kept and "
        "counts; the number of such samples says how quiet the machine was."
    ),
}
_ON_DEVICE = "How long the device was busy, by its own clock; “step” is how long one waits, by the clock of the host."


def section(summary: Summary) -> Section:
    """Return each word that tables and figures use."""
    first = prose(
        "Look at the interval before the third digit, at “of peak” before a speedup, and at the number of threads in "
        "the first line of the result before either. The words that stand in tables and figures:"
    )
    terms = _TERMS | ({"on device": _ON_DEVICE} if summary.has_device else {})
    return Section(
        "reading", "How to read this", (first, Glossary(tuple((word, (text,)) for word, text in terms.items())))
    )
