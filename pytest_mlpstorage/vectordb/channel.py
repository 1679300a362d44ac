"""The line between a worker and its rank, at the worker's end: JSON lines, and the heart that the rank watches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from pytest_mlpstorage.vectordb.heart import Heart

__all__ = ["Channel"]


class Channel:
    """The line to the rank: what it says, one word after another, and what is answered; and the heart that it watches."""

    def __init__(self, heard: BinaryIO, said: BinaryIO, heart: Heart) -> None:
        self._heard, self._said, self.heart = heard, said, heart

    def hear(self) -> Iterator[dict[str, Any]]:
        """Each word of the rank, until it says no more."""
        for line in self._heard:
            yield json.loads(line)

    def next(self) -> dict[str, Any]:
        """The next word. Raises KeyboardInterrupt where the rank is gone."""
        for word in self.hear():
            return word
        raise KeyboardInterrupt("the rank is gone")

    def say(self, event: str, **words: Any) -> None:
        """Answer."""
        self._said.write(json.dumps({"event": event, **words}).encode() + b"\n")
        self._said.flush()
