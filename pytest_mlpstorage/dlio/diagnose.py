"""The cause that DLIO, torch, Hydra or our rank program name in the last lines of stderr."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["diagnose"]

# In order: the first pattern that is found anywhere wins, ours first because it was chosen to be read.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"mlpstorage: rank (?P<rank>-?\d+) on (?P<host>\S+) ends the job \(exit \d+\): (?P<what>.+)"),
        "rank {rank} on {host}: {what}",
    ),
    (re.compile(r"mlpstorage: (?P<what>\[MLPS-E\d+\] .+)"), "{what}"),
    (
        re.compile(r"DataLoader worker \(pid\(?s?\)? (?P<pid>[\d, ]+)\) .*?killed by signal: (?P<what>[^.]+)"),
        "a read worker (pid {pid}) was killed by {what}",
    ),
    (re.compile(r"DataLoader worker \(pid\(?s?\)? (?P<pid>[\d, ]+)\) exited unexpectedly"), "a read worker (pid {pid}) ended unexpectedly"),
    (re.compile(r"Not enough (?P<what>training|evaluation) dataset is found"), "the {what} data set has fewer files than asked for"),
    (re.compile(r"(?P<what>No space left on device.*)"), "{what}"),
    (re.compile(r"(?P<what>There are not enough slots available.*)"), "{what}"),
)


def diagnose(stderr_tail: Sequence[str]) -> str | None:
    """One line that names the cause, or None where nothing known is in ``stderr_tail``."""
    text = "\n".join(stderr_tail)
    for pattern, form in _PATTERNS:
        found = pattern.search(text)
        if found:
            return form.format(**{name: value.strip() for name, value in found.groupdict().items()})
    return None
