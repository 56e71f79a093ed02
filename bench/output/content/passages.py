"""Texts of a report: templates in `texts/`, one paragraph after another with an empty line between, filled in here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.output.document import Code, Words, prose
from bench.output.names import counted

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

TEXTS = Path(__file__).with_name("texts")
_KEPT = "kept values"
"""Names the list in a template's context that takes what it names; no template can name this."""


def passages(name: str, part: str = "", /, **values: Any) -> tuple[Words, ...]:
    """Return the paragraphs of a template, marked as `prose` has it; nothing in a value is taken for a mark.

    Args:
        name: the template's file.
        part: the block; empty: all of it.
        values: what it may name; `| code` sets one as code.
    """
    kept: list[Any] = []
    template = _environment().get_template(name)
    written = template.blocks[part] if part else template.root_render_func
    pieces = "".join(written(template.new_context({**values, _KEPT: kept}))).split("\n\n")
    rest = iter(kept)
    return tuple(
        prose(" ".join(piece.split()), *(next(rest) for _ in range(piece.count("{}"))))
        for piece in pieces
        if piece.strip()
    )


@cache
def _environment() -> Environment:
    """Return what reads the texts, once: to compile one takes longer than to fill it in a hundred times."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

    @pass_context
    def keep(context: Context, value: Any) -> str:
        context[_KEPT].append(value)
        return "{}"

    made = Environment(  # noqa: S701 - a format escapes what it writes
        loader=FileSystemLoader(TEXTS), undefined=StrictUndefined, finalize=keep, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["code"] = Code
    made.globals["counted"] = counted
    return made
