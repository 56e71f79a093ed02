"""Renderers of `bench.output.document`: a module for each format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")


def environment(filters: dict[str, Any], autoescape: bool = False, **options: Any) -> Environment:
    """Return what reads the templates, with a format's own filters; these escape where `autoescape` does not."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,  # noqa: S701 - it is HTML's; Markdown and LaTeX bring their own
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    made.filters |= {**filters, "kind": _kind}
    return made


def _kind(item: object) -> str:
    """Return what templates call a block or a piece of a text."""
    return "Paragraph" if isinstance(item, tuple) else type(item).__name__
