"""What is wrong with a configuration: collected, ordered, and told in one form."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from typing import Final

from pytest_mlpstorage.config.tree import Fields, Items, Node, Origin, Scalar
from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["Problem", "Problems", "did_you_mean", "given", "nearest", "one_of"]

_SHOWN: Final = 50
_LISTED: Final = 12
_ORDER: Final = ("yaml", "environment", "option")


def nearest(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """The candidates that ``word`` was probably meant to be, best first, at most three; case and the group do not matter."""
    names = list(dict.fromkeys(candidates))
    tail = word.rpartition(".")[2].lower()
    # The last part of 3.0 is no name.
    tail = tail if tail.isidentifier() else word.lower()
    same = [name for name in names if name.lower() == word.lower() or name.rpartition(".")[2].lower() == tail]
    if same:
        ranked = sorted(same, key=lambda name: -difflib.SequenceMatcher(None, word, name).ratio())
        return tuple(ranked[:3])
    folded = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if not close:
        tails = {name.rpartition(".")[2].lower(): name for name in names}
        return tuple(tails[match] for match in difflib.get_close_matches(tail, tails, n=1, cutoff=0.8))
    return (folded[close[0]],)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``; did you mean 'unet3d'?`` or nothing."""
    near = nearest(word, candidates)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def one_of(words: Sequence[str]) -> str:
    """The words in a row, cut where there are more than a person reads."""
    if len(words) <= _LISTED:
        return ", ".join(words)
    return f"{', '.join(words[:_LISTED])} … ({len(words)} in all)"


def given(node: Node) -> str:
    """A value as the user wrote it, short enough for one line."""
    if isinstance(node, Fields):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if node.value is None:
        return "nothing"
    text = node.text if len(node.text) <= 60 else node.text[:57] + "…"
    return repr(text) if isinstance(node.value, str) else text


@dataclasses.dataclass(frozen=True)
class Problem:
    """One error: where, which key, what is the matter, and the words it may have been meant to be.

    The nearest word is looked for only when the problem is shown: a file of ten thousand wrong keys costs no minute.
    """

    origin: Origin
    key: str
    text: str
    word: str = ""
    candidates: tuple[str, ...] = ()
    code: str = "MLPS-E111"

    def line(self) -> str:
        """``file:line:col: key: given …; allowed …; did you mean …?``."""
        head = f"{self.origin.where}: {self.key}: " if self.key else f"{self.origin.where}: "
        return head + self.text + (did_you_mean(self.word, self.candidates) if self.word else "")


class Problems:
    """The errors of one configuration, told together."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self._problems)

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, origin: Origin, key: str, text: str, *, word: str = "", candidates: Iterable[str] = (), code: str = "MLPS-E111") -> None:
        """Note an error; the nearest of ``candidates`` to ``word`` is suggested."""
        self._problems.append(Problem(origin, key, text, word, tuple(candidates), code))

    def bad_value(self, key: str, node: Node, allowed: str, *, candidates: Iterable[str] = ()) -> None:
        """Note that the value of ``key`` is not what is allowed there."""
        what = given(node)
        if isinstance(node, Scalar) and isinstance(node.value, bool) and allowed.startswith("text"):
            what += ", which YAML reads as true or false"
            allowed += " (put it in quotes)"
        word = node.text if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        words = tuple(candidates)
        text = f"given {what}; allowed {allowed}"
        self.add(node.origin, key, text, word=word, candidates=words, code="MLPS-E114" if words else "MLPS-E111")

    def lines(self, *, with_codes: bool = False) -> list[str]:
        """All errors, those of the file first, in the order of its lines; each with its code where that is wanted."""
        order = {kind: index for index, kind in enumerate(_ORDER)}
        ranked = sorted(self._problems, key=lambda p: (order.get(p.origin.kind, 9), p.origin.line, p.origin.column))
        lines = list(dict.fromkeys(p.line() + (f" [{p.code}]" if with_codes else "") for p in ranked[:_SHOWN]))
        if len(ranked) > _SHOWN:
            lines.append(f"… and {len(ranked) - _SHOWN} more errors")
        return lines

    def raise_if_any(self) -> None:
        """Raise ConfigurationError with every error, one a line, if there is one; where they are of several kinds each line has a code."""
        codes = {problem.code for problem in self._problems}
        code = min(codes) if len(codes) == 1 else "MLPS-E100"
        lines = self.lines(with_codes=len(codes) > 1)
        if len(lines) == 1:
            raise ConfigurationError(lines[0], code=code)
        if lines:
            raise ConfigurationError("\n".join([f"{len(self._problems)} errors in the configuration:", *lines]), code=code)
