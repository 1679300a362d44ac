"""A chart as its elements."""

from __future__ import annotations

from xml.etree import ElementTree


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - drawn by us


def texts(svg: str) -> list[str | None]:
    return [element.text for element in parsed(svg).iter("text")]


def paths(svg: str, *style: str) -> list[ElementTree.Element]:
    """Its paths whose style has all these parts."""
    return [path for path in parsed(svg).iter("path") if all(part in path.get("style", "") for part in style)]
