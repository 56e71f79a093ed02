"""Texts of a report: templates in `texts/`, one paragraph after another with an empty line between, filled in here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.output.document import Code, Words, prose
from bench.output.names import counted

TEXTS = Path(__file__).with_name("texts")


def passages(name: str, part: str = "", /, **values: Any) -> tuple[Words, ...]:
    """Return the paragraphs of a template, marked as `prose` has it; nothing in a value is taken for a mark.

    Args:
        name: the template's file.
        part: the block; empty: all of it.
        values: what it may name; `| code` sets one as code.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    kept: list[Any] = []

    def keep(value: Any) -> str:
        kept.append(value)
        return "{}"

    made = Environment(  # noqa: S701 - a format escapes what it writes
        loader=FileSystemLoader(TEXTS), undefined=StrictUndefined, finalize=keep, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["code"] = Code
    made.globals["counted"] = counted
    template = made.get_template(name)
    written = template.blocks[part] if part else template.root_render_func
    pieces = "".join(written(template.new_context(values))).split("\n\n")
    rest = iter(kept)
    return tuple(
        prose(" ".join(piece.split()), *(next(rest) for _ in range(piece.count("{}"))))
        for piece in pieces
        if piece.strip()
    )
