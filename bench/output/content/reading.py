"""A guide to a report, for someone who has never seen one."""

from __future__ import annotations

from bench.output.content.passages import passages
from bench.output.content.summary import Summary
from bench.output.document import Glossary, Section, plain


def section(summary: Summary) -> Section:
    """Return each word that tables and figures use."""
    first, *terms = passages("reading.txt", has_device=summary.has_device)
    meanings = (plain(term).partition(": ") for term in terms)
    return Section(
        "reading", "How to read this", (first, Glossary(tuple((word, (text,)) for word, _, text in meanings)))
    )
