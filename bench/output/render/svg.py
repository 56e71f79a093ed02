"""A figure's SVG file as SVG inside a web page: nothing but drawing, unique ids, and colours that follow the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from bench.output.figures._look import LIGHT, Theme

_DRAWING = {"svg", "g", "path", "text", "tspan", "use", "defs", "clipPath", "rect", "circle", "ellipse", "line"}
_DRAWING |= {"polyline", "polygon", "image", "pattern", "linearGradient", "radialGradient", "stop", "filter"}
_DRAWING |= {"feColorMatrix", "feComponentTransfer", "feFuncA", "feBlend"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_REFERENCE = re.compile(r"url\(\s*['\"]?([^)'\"]*)['\"]?\s*\)")
_PAINTED = ("fill", "stroke", "stop-color")
_UNPAINTED = "#1f77b4"
"""matplotlib's first colour: it names it for the inside of open lines, which are not filled."""


def roles(theme: Theme) -> dict[str, str]:
    """Return the colours of a theme by the name of their role."""
    found = {name: getattr(theme, name) for name in ("paper", "ink", "soft", "faint", "edge", "alarm")}
    found |= {f"phase-{name}": colour for name, colour in theme.phases.items()}
    found |= {f"backend-{name}": colour for name, (colour, _) in theme.backends.items()}
    found |= {"backend-other": theme.other_backend[0]}
    found |= {f"series-{number}": colour for number, colour in enumerate(theme.series)}
    return {name: colour.lower() for name, colour in found.items()}


def variables(theme: Theme) -> str:
    """Return the theme as custom properties of CSS."""
    return " ".join(f"--{name}: {colour};" for name, colour in roles(theme).items())


def by_colour() -> dict[str, str]:
    """Return the role of each colour of the light theme; equal colours play equal roles: the first stands for all."""
    found: dict[str, str] = {}
    for name, colour in roles(LIGHT).items():
        found.setdefault(colour, name)
    return found


def foreign_colours(content: bytes) -> set[str]:
    """Return the colours of a light figure that its theme lacks; like those of a colour map, they cannot change."""
    found: set[str] = set()
    for element in _parsed(content).iter():
        painted = [_visible(element.get("style", "")), *(element.get(name, "") for name in _PAINTED)]
        found |= {colour.lower() for text in painted for colour in _COLOUR.findall(text)}
    return found - set(by_colour()) - {_UNPAINTED}


def inline(content: bytes, prefix: str, title: str, description: str, exchange: bool = True) -> str:
    """Return a figure's file as an element of a page.

    Metadata, styles and scripts are left out, and whatever else does not draw; ids begin with `prefix`, so that several
    figures can stand in one page.

    Args:
        content: the file.
        prefix: letters, digits and hyphens; no other picture in the page has the same.
        title: its name, for readers who cannot see it.
        description: what it shows, for the same readers.
        exchange: whether colours are exchanged for custom properties named by role.
    """
    source = _parsed(content)
    wanted = {name for element in source.iter() for name in _referenced(element)}
    colours = by_colour() if exchange else {}
    found = _cleaned(source, prefix, wanted, colours)
    assert found is not None  # noqa: S101 - the root is an svg
    found.attrib = {"viewBox": source.get("viewBox", ""), "role": "img", "aria-labelledby": f"{prefix}-t {prefix}-d"}
    words = []
    for tag, text in (("title", title), ("desc", description)):
        element = Element(tag, {"id": f"{prefix}-{tag[0]}"})
        element.text = text
        words.append(element)
    found[:0] = words
    return ElementTree.tostring(found, encoding="unicode")


def _parsed(content: bytes) -> Element:
    return ElementTree.fromstring(content)  # noqa: S314 - a file of ours, and expat refuses entities that grow


def _visible(style: str) -> str:
    """Return a style without the colour of what is fully transparent."""
    found = dict(_declarations(style))
    for name in ("fill", "stroke"):
        if found.get(f"{name}-opacity") == "0":
            del found[f"{name}-opacity"]
            found[name] = "none"
    return "; ".join(f"{name}: {value}" for name, value in found.items())


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _referenced(element: Element) -> Iterator[str]:
    """Yield the ids that an element's attributes name."""
    for name, value in element.attrib.items():
        if _local(name) == "href" and value.startswith("#"):
            yield value[1:]
        for target in _REFERENCE.findall(value):
            if target.startswith("#"):
                yield target[1:]


def _cleaned(source: Element, prefix: str, wanted: set[str], colours: Mapping[str, str]) -> Element | None:
    """Return an element with everything inside it that draws; None if it does not draw itself."""
    tag = _local(source.tag) if isinstance(source.tag, str) else ""  # a comment's tag is a function
    if tag not in _DRAWING:
        return None
    found = Element(tag, dict(_attributes(source, prefix, wanted, colours)))
    in_text = tag in ("text", "tspan")
    found.text = source.text if in_text else None
    for child in source:
        cleaned = _cleaned(child, prefix, wanted, colours)
        if cleaned is not None:
            cleaned.tail = child.tail if in_text else None
            found.append(cleaned)
    _share_style(found)
    return None if tag in ("g", "defs") and not len(found) else found


def _share_style(group: Element) -> None:
    """Give a group the style that all marks in it have, once for all; opacity is not inherited."""
    styles = {child.get("style", "") for child in group}
    if group.tag != "g" or "style" in group.attrib or len(group) < 2 or len(styles) > 1:
        return
    style = styles.pop()
    if {child.tag for child in group} == {"use"} and "opacity" not in dict(_declarations(style)) and style:
        group.set("style", style)
        for child in group:
            del child.attrib["style"]


def _attributes(
    source: Element, prefix: str, wanted: set[str], colours: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    style = []
    for full, value in source.attrib.items():
        name = _local(full)
        if name.lower().startswith("on") or any(not it.startswith("#") for it in _REFERENCE.findall(value)):
            continue
        if name == "id":
            if value in wanted:
                yield name, f"{prefix}-{value}"
        elif name == "href":
            if value.startswith("#"):
                yield name, f"#{prefix}-{value[1:]}"
            elif value.startswith("data:image/png;base64,"):
                yield name, value
        elif name == "style":
            style.append(_own(_visible(value), prefix, colours))
        elif name in _PAINTED:
            style.append(_own(f"{name}: {value}", prefix, colours))
        else:
            yield name, _own(" ".join(value.split()), prefix, {})
    if style:
        yield "style", "; ".join(style)


def _own(value: str, prefix: str, colours: Mapping[str, str]) -> str:
    """Return a value with the page's ids, and with the names of roles for colours."""
    value = _REFERENCE.sub(lambda match: f"url(#{prefix}-{match[1][1:]})", value)
    return _COLOUR.sub(lambda match: _variable(match[0].lower(), colours), value)


def _variable(colour: str, colours: Mapping[str, str]) -> str:
    return f"var(--{colours[colour]})" if colour in colours else colour
