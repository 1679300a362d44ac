"""How a running step speaks to the person before the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlpstorage.workloads.execute import Voice

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.supervisor import Beat

__all__ = ["voice_of"]

_LOG = logging.getLogger("pytest_mlpstorage")


def _say(text: str) -> None:
    """A line for the item's captured output: shown with -s, on failure, and in the HTML page."""
    sys.stdout.write(text + "\n")


def voice_of(config: pytest.Config) -> tuple[Voice, Callable[[str], None]]:
    """The voice of this session's launches, and the function that writes a line of an item.

    On a terminal one line is rewritten in place while a launch is on. Elsewhere (a pipe, a worker of xdist) a heartbeat
    goes to the log at level INFO only, so that ``--log-cli-level=INFO`` shows it.
    """
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    live = reporter is not None and reporter.isatty and not hasattr(config, "workerinput")

    def beat(now: Beat) -> None:
        from pytest_mlpstorage.launch.progress import line

        text = line(now)
        if now.warning:
            _LOG.warning("%s", text)
            if reporter is not None and capture is not None:
                # A stall is never silent, even where heartbeats are.
                with capture.global_and_fixture_disabled():
                    reporter.write_line("")
                    reporter.write_line(text, yellow=True)
                return
        if live and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.rewrite(text[: reporter._screen_width - 1] if hasattr(reporter, "_screen_width") else text, erase=True)
        else:
            _LOG.info("%s", text)

    echo = _say if config.getoption("capture") == "no" else None
    return Voice(beat=beat, echo=echo, say=_say), _say
