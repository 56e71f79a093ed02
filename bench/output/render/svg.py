"""A figure's SVG file as a part of a web page: nothing but drawing, unique ids, and colours that follow the page."""

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
_NAMED = re.compile(r"""(?:href="|url\()#([^")]+)""")
_PAINTED = ("fill", "stroke", "stop-color")
_UNPAINTED = "#1f77b4"
"""matplotlib's first colour: it names it for the inside of open lines, which are not filled."""


def roles(theme: Theme) -> dict[str, str]:
    """Return the colours of a theme by the name of their role."""
    found = {name: getattr(theme, name) for name in ("paper", "ink", "soft", "faint", "edge", "alarm", "baseline")}
    found |= {f"phase-{name}": colour for name, colour in theme.phases.items()}
    found |= {f"series-{number}": colour for number, colour in enumerate(theme.series)}
    return {name: colour.lower() for name, colour in found.items()}


def variables(theme: Theme) -> str:
    """Return the theme as custom properties of CSS."""
    return " ".join(f"--{name}: {colour};" for name, colour in roles(theme).items())


def by_colour() -> dict[str, str]:
    """Return the role of each colour of the light theme; equal colours play equal roles: the first stands for all."""
    return {colour: name for name, colour in reversed(roles(LIGHT).items())}


def foreign_colours(content: bytes) -> set[str]:
    """Return the colours of a light figure that its theme lacks; like those of a colour map, they cannot change."""
    found: set[str] = set()
    for element in _parsed(content).iter():
        found |= {colour.lower() for text in _style(element).values() for colour in _COLOUR.findall(text)}
    return found - set(by_colour()) - {_UNPAINTED}


def inline(content: bytes, prefix: str, title: str, description: str, exchange: bool = True) -> str:
    """Return a figure's file as an element of a page.

    Metadata and styles are left out, and whatever else does not draw; ids begin with `prefix`, so that several figures
    can stand in one page.

    Args:
        content: the file, which matplotlib wrote.
        prefix: letters, digits and hyphens; no other picture in the page has the same.
        title: its name, for readers who cannot see it.
        description: what it shows, for the same readers.
        exchange: whether colours are exchanged for custom properties named by role.
    """
    root = _parsed(content)
    view = root.get("viewBox", "")
    _clean(root, prefix, set(_NAMED.findall(content.decode())), by_colour() if exchange else {})
    root.attrib = {"viewBox": view, "role": "img", "aria-labelledby": f"{prefix}-t {prefix}-d"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = Element(tag, {"id": f"{prefix}-{tag[0]}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode")


def _parsed(content: bytes) -> Element:
    return ElementTree.fromstring(content)  # noqa: S314 - a file of ours


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _style(element: Element) -> dict[str, str]:
    """Return how an element is painted, without the colour of what is fully transparent."""
    parts = (part.partition(":") for part in element.get("style", "").split(";"))
    found = {name.strip(): value.strip() for name, colon, value in parts if colon}
    found |= {name: element.attrib[name] for name in _PAINTED if name in element.attrib}
    for name in ("fill", "stroke"):
        if found.get(f"{name}-opacity") == "0":
            del found[f"{name}-opacity"]
            found[name] = "none"
    return found


def _clean(element: Element, prefix: str, wanted: set[str], colours: Mapping[str, str]) -> None:
    """Take out of an element what does not draw, and give it ids and colours of the page."""
    element.tag = _local(element.tag)
    element.attrib = dict(_attributes(element, prefix, wanted, colours))
    in_text = element.tag in ("text", "tspan")
    element.text = element.text if in_text else None
    for child in list(element):
        child.tail = child.tail if in_text else None
        if _local(child.tag) in _DRAWING:
            _clean(child, prefix, wanted, colours)
        if child.tag not in _DRAWING or (child.tag in ("g", "defs") and not len(child)):
            element.remove(child)
    _share_style(element)


def _attributes(
    source: Element, prefix: str, wanted: set[str], colours: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    painted = {colour: f"var(--{name})" for colour, name in colours.items()}

    def own(value: str) -> str:
        return value.replace("url(#", f"url(#{prefix}-")

    for full, value in source.attrib.items():
        name = _local(full)
        if name == "id" and value in wanted:
            yield name, f"{prefix}-{value}"
        elif name == "href" and value.startswith("#"):
            yield name, f"#{prefix}-{value[1:]}"
        elif name == "href" and value.startswith("data:image/png;base64,"):
            yield name, value
        elif name not in ("id", "href", "style", *_PAINTED) and not name.startswith("on"):
            yield name, own(" ".join(value.split()))
    if style := "; ".join(f"{name}: {value}" for name, value in _style(source).items()):
        yield "style", _COLOUR.sub(lambda match: painted.get(match[0].lower(), match[0].lower()), own(style))


def _share_style(group: Element) -> None:
    """Give a group the style that all marks in it have, once for all; opacity is not inherited."""
    styles = {child.get("style", "") for child in group}
    if group.tag != "g" or "style" in group.attrib or len(group) < 2 or len(styles) > 1:
        return
    style = styles.pop()
    if style and {child.tag for child in group} == {"use"} and " opacity:" not in f" {style}":
        group.set("style", style)
        for child in group:
            del child.attrib["style"]
