"""One chart as SVG that stands in the page itself: drawn by matplotlib, then made small, free of ids, and of the colors of the page.

matplotlib is imported where the first chart is drawn and nowhere before. What it draws in one of :data:`PAINTS` becomes a variable of the
page's style, so that the same chart follows light and dark. Nothing in a chart is referred to by an id: charts of one page cannot clash.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.report.text import escaped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FONT_PIXELS", "PAINTS", "drawn"]

FONT_PIXELS: Final = 11
"""Size of text that has none of its own; the page's style gives it."""

PAINTS: Final[Mapping[str, str]] = {
    "ink": "#010101",
    "soft": "#010102",
    "line": "#010103",
    "card": "#010104",
    "bad": "#010105",
    "read": "#010106",
    "write": "#010107",
    "third": "#010108",
    "fourth": "#010109",
    "band": "#01010a",
}
"""Name of a variable of the page (``--mlps-<name>``) → the color that stands for it while matplotlib draws."""

_VARIABLES: Final = {color: f"var(--mlps-{name})" for name, color in PAINTS.items()}
_SVG: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_PIXELS: Final = 72  # of an inch: then a point of matplotlib is a pixel of the page
_PART: Final = re.compile(r"[MLCQZz]|-?[\d.]+(?:e-?\d+)?")
_POINTS: Final = {"M": 1, "L": 1, "Q": 2, "C": 3}
_TRANSLATED: Final = re.compile(r"translate\((-?[\d.e-]+)[ ,]+(-?[\d.e-]+)\)")
_KEPT: Final = frozenset({"stroke-width", "stroke-dasharray", "fill-opacity", "stroke-opacity", "opacity"})
_FAILURES: Final = (ArithmeticError, AttributeError, ImportError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What a matplotlib that is half installed, or of another numpy, may raise: a chart that cannot be drawn must not cost the report."""

_RC: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": FONT_PIXELS,
    "text.parse_math": False,
    "path.simplify": True,
    "axes.unicode_minus": False,
    "svg.hashsalt": "mlpstorage",  # of the ids, of which none is left: the file that is read is the same each time too
}


def drawn(draw: Callable[[Figure], None], width: int, height: int, words: str) -> str:
    """The chart that ``draw`` puts on an empty figure of so many pixels; ``words`` tell it to who cannot see it.

    The same drawing gives the same text. Raises DependencyError where matplotlib is not there or cannot draw.
    """
    try:
        written = _written(draw, width, height)
        inside = "".join(_merged(_elements(ElementTree.fromstring(written))))  # noqa: S314 - matplotlib wrote it, of text that was escaped
    except _FAILURES as error:
        raise DependencyError(
            f"this chart could not be drawn: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}",
            cause=error,
            suggestion="install matplotlib where the report is made: pip install matplotlib",
            code="MLPS-E240",
        ) from error
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg role="img" aria-label="{escaped(words)}" {size} fill="none" stroke-linejoin="round">{inside}</svg>'


def _written(draw: Callable[[Figure], None], width: int, height: int) -> str:
    with _silently():
        import matplotlib  # slow, and not there in every installation
        from matplotlib.figure import Figure

        wanted = {**_defaults(), **_RC}
        # Setting each costs as much as drawing a panel, and nearly all of them are as they are wanted.
        with matplotlib.rc_context({key: value for key, value in wanted.items() if matplotlib.rcParams[key] != value}):
            figure = Figure(figsize=(width / _PIXELS, height / _PIXELS), dpi=_PIXELS)
            figure.patch.set_visible(False)
            draw(figure)
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


@functools.cache
def _defaults() -> dict[Any, Any]:
    """Settings of matplotlib itself: a matplotlibrc of the user, or of the directory, changes no report."""
    import matplotlib

    return {key: value for key, value in matplotlib.rcParamsDefault.items() if key not in ("backend", "backend_fallback", "toolbar")}


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """Keep what matplotlib says of its fonts, its cache and a home that nobody can write to itself."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


_Element = tuple[str, str]
"""Style and path; or an empty style, and an element that is whole."""


def _elements(root: ElementTree.Element) -> Iterator[_Element]:
    shapes = {
        f"#{path.get('id')}": path for group in root.iter(f"{_SVG}defs") for path in group.iter(f"{_SVG}path") if path.get("id") is not None
    }
    hidden = {path for group in root.iter(f"{_SVG}defs") for path in group.iter(f"{_SVG}path")}
    for element in root.iter():
        if element.tag == f"{_SVG}path" and element not in hidden:
            yield _style(element), _small(element.get("d", ""), 0.0, 0.0)
        elif element.tag == f"{_SVG}use":
            shape = shapes[element.get(_LINK, "")]
            x, y = float(element.get("x", 0)), float(element.get("y", 0))
            yield _style(element, shape), _small(shape.get("d", ""), x, y)
        elif element.tag == f"{_SVG}text":
            yield "", _text(element)


def _merged(elements: Iterator[_Element]) -> Iterator[str]:
    """Neighbours of one style as one path, such as the marks of a line; not where they are seen through and may lie over each other."""
    last, collected = "", ""
    for style, content in elements:
        if style and style == last and "opacity" not in style:
            collected += content
            continue
        if collected:
            yield _path(last, collected)
        last, collected = style, content if style else ""
        if not style:
            yield content
    if collected:
        yield _path(last, collected)


def _path(style: str, shape: str) -> str:
    return f'<path style="{style}" d="{shape}"/>'


def _declared(element: ElementTree.Element) -> dict[str, str]:
    pairs = (part.partition(":") for part in element.get("style", "").split(";") if ":" in part)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _style(*elements: ElementTree.Element) -> str:
    """What differs from the root's style; the colors are the page's."""
    declared = {key: value for element in elements for key, value in _declared(element).items()}
    kept: dict[str, str] = {key: value for key, value in declared.items() if key in _KEPT}
    if declared.get("stroke", "none") == "none":
        kept = {key: value for key, value in kept.items() if not key.startswith("stroke")}
    else:
        kept["stroke"] = _VARIABLES.get(declared["stroke"], declared["stroke"])
    if declared.get("fill") != "none":
        kept["fill"] = _VARIABLES.get(declared.get("fill", "#000000"), declared.get("fill", "#000000"))
    if set(kept.get("stroke-dasharray", "none").split(",")) == {"none"}:
        kept.pop("stroke-dasharray", None)
    return ";".join(f"{key}:{_rounded(value)}" for key, value in kept.items()) or "stroke:none"


def _rounded(value: str) -> str:
    return re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _text(element: ElementTree.Element) -> str:
    declared = _declared(element)
    said = element.get("style", "")
    style = {}
    if declared.get("fill", PAINTS["ink"]) != PAINTS["ink"]:
        style["fill"] = _VARIABLES.get(declared["fill"], declared["fill"])
    size = re.search(r"([\d.]+)px", said)
    if size and float(size[1]) != FONT_PIXELS:
        style["font-size"] = f"{float(size[1]):g}px"
    if re.search(r"\b(?:600|700|bold)\b", said):
        style["font-weight"] = "600"
    if declared.get("text-anchor", "start") != "start":
        style["text-anchor"] = declared["text-anchor"]
    x, y = (_tenths(float(element.get(key, 0))) for key in ("x", "y"))
    turned = re.match(r"rotate\((-?[\d.]+)", element.get("transform", ""))
    turn = f' transform="rotate({float(turned[1]):g} {_number(x)} {_number(y)})"' if turned and float(turned[1]) else ""
    moved = _TRANSLATED.match(element.get("transform", ""))
    if moved:
        x, y = x + _tenths(float(moved[1])), y + _tenths(float(moved[2]))
    styled = f' style="{";".join(f"{key}:{value}" for key, value in style.items())}"' if style else ""
    return f'<text x="{_number(x)}" y="{_number(y)}"{styled}{turn}>{escaped(element.text or "")}</text>'


def _tenths(value: float) -> int:
    return round(value * 10)


def _number(tenths: int) -> str:
    whole, part = divmod(abs(tenths), 10)
    return ("-" if tenths < 0 else "") + (f"{whole}" if not part else f".{part}" if not whole else f"{whole}.{part}")


def _small(path: str, x: float, y: float) -> str:
    """The same path from point to point, to a tenth of a pixel, moved by ``x`` and ``y``."""
    at, start, made = (0, 0), (0, 0), []
    command, numbers = "", list[float]()
    for part in _PART.findall(path):
        if part in "Zz":
            made.append("z")
            at, command = start, ""
        elif part in _POINTS:
            command, numbers = part, []
        elif command:
            numbers.append(float(part))
            if len(numbers) == 2 * _POINTS[command]:
                points = [(_tenths(left + x), _tenths(down + y)) for left, down in zip(numbers[::2], numbers[1::2], strict=True)]
                made.append(_moved(command, at, points))
                at, numbers = points[-1], []
                if command == "M":
                    start, command = at, "L"
    return "".join(made)


def _moved(command: str, at: tuple[int, int], points: list[tuple[int, int]]) -> str:
    if command == "M":
        return f"M{_number(points[0][0])} {_number(points[0][1])}"
    steps = [(x - at[0], y - at[1]) for x, y in points]
    if command == "L":
        ((right, down),) = steps
        if not down:
            return f"h{_number(right)}" if right else ""
        if not right:
            return f"v{_number(down)}"
    text = command.lower()
    for number in (value for step in steps for value in step):
        written = _number(number)
        text += written if written.startswith("-") or text[-1].isalpha() else f" {written}"
    return text
