"""After how many steps compiling pays, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench.analysis.break_even import Payoff
from bench.model.device import Cache
from bench.output.content.summary import Summary
from bench.output.document import Strong, Words, joined, prose
from bench.output.names import counted, words_of
from bench.output.text import significant
from bench.stats.break_even import BreakEven

_CURE = "an interval takes `--cold 2` or more, and six rounds"


def when_it_pays(summary: Summary, payoffs: Iterable[Payoff]) -> tuple[Words, ...]:
    """Return a sentence for each case whose break-even is known to an interval, and one for all others."""
    by_case: dict[str, list[Payoff]] = {}
    for each in payoffs:
        place = words_of({name: each.case.columns.get(name) for name in summary.differing})
        by_case.setdefault(", ".join([each.case.label, *place]), []).append(each)
    known = {name: found for name, found in by_case.items() if any(each.after.low is not None for each in found)}
    unknown = [name for name in by_case if name not in known]
    told = [_sentence(f"{name} against {found[0].over.label}", found) for name, found in known.items()]
    if unknown:
        told.append(prose(f"After how many steps compiling pays is not known of {{}}: {_CURE}.", ", ".join(unknown)))
    return tuple(told)


def _sentence(name: str, found: list[Payoff]) -> Words:
    parts = [prose("{} with {}", pays(each.after), f"{_cache(each)} compiler cache") for each in found]
    lacking = any(each.after.low is None for each in found)
    cure = prose(f"; {_CURE}") if lacking else ()
    return (*prose("{}: compiling ", name), *joined(parts, ", and "), *cure, ".")


def _cache(payoff: Payoff) -> str:
    return "an empty" if payoff.cache is Cache.COLD else "a filled"


def pays(after: BreakEven) -> Words:
    """Return after how many steps something pays, with the interval."""
    if after.high == 0:
        return ("pays from the first step",)
    if after.low == math.inf:
        return ("never pays",)
    if after.steps == math.inf:
        known = f" (not before {counted(count_of(after.low), 'step')})" if after.low else ""
        return ("is not known to pay" + known,)
    words = prose("pays after {}", Strong(counted(count_of(after.steps), "step")))
    if after.low is None or after.high is None:
        return words
    end = "never" if after.high == math.inf else count_of(after.high)
    return (*words, f" [{count_of(after.low)} … {end}]")


def count_of(steps: float) -> str:
    """Return a number of steps with two significant digits, rounded up to a whole one."""
    return f"{float(significant(math.ceil(steps), 2)):,.0f}"
