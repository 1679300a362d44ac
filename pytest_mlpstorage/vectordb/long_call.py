"""A call of an engine's that takes long, in a thread of its own, while whoever waits for it hears that it still runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from pytest_mlpstorage.vectordb.engine import Progress

__all__ = ["LongCall"]

_SIGN_OF_LIFE_SECONDS: Final = 1.0


class LongCall:
    """The call begins at once. Where the caller gives up, by a deadline of its own, nothing waits for it: it ends with the process."""

    def __init__(self, name: str, call: Callable[[], object]) -> None:
        self._call = call
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait(self, progress: Progress, fraction: Callable[[], float | None] = lambda: None) -> None:
        """Wait for the end, and call ``progress`` at once and each second with what ``fraction`` says.

        What these two raise ends the wait and not the call. How the call ended is asked by ``result``.
        """
        progress(None)
        while not self.ended(_SIGN_OF_LIFE_SECONDS):
            progress(fraction())

    def ended(self, seconds: float) -> bool:
        """Whether it ends within so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> None:
        """Raise what a call that ended has raised."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for it
            self._failure = error
