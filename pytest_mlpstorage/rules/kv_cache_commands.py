"""Command lines of a KV cache run as it recorded them: what each pass was really started with.

The ``args`` of a closed run hold the defaults of the tool's parser (60 s, 100 users, autoscaling on …) whatever ran: the tool takes the
parameters of an option from its own table when it builds the command of a pass. So it is the commands that are believed.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from pytest_mlpstorage.editions.families import KVCacheOption
from pytest_mlpstorage.results.coerce import integer, number
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.rules.wording import shown

__all__ = ["PARAMETERS", "Difference", "PassCommand", "Recorded", "differences", "parse_command", "passes_of", "recorded_options"]

PARAMETERS: Final = {
    "model": "model",
    "num-users": "users_per_client",
    "duration": "duration_seconds",
    "gpu-mem-gb": "gpu_memory_gb",
    "cpu-mem-gb": "cpu_memory_gb",
    "max-concurrent-allocs": "max_concurrent_allocations",
    "generation-mode": "generation_mode",
}
"""Flags that make up an option, and where the edition has their values."""

_LONGEST_COMMAND: Final = 16 * 1024
_MOST_COMMANDS: Final = 500
"""What is read of one run; a real one has nine commands of less than a kilobyte."""

_PLACE: Final = re.compile(r"(?:^|/)option_(\d{1,6})(?:/trial_(\d{1,6}))?(?:/|$)", re.ASCII)
_LOG: Final = re.compile(r"kvcache_opt(\d{1,6})_trial(\d{1,6})_", re.ASCII)
_OUTPUT_FLAGS: Final = ("rank-output-base", "base-output-dir", "output")
_PROCESSES: Final = ("-n", "-np", "--n", "--np")
_PER_NODE: Final = ("--npernode", "-npernode", "-ppn", "--ppn")


@dataclasses.dataclass(frozen=True)
class PassCommand:
    """One pass: ``flags`` of the program without their dashes (None: a flag without a value), and what the launcher was told.

    ``by_table``: the program was told only the number of the option, and took its parameters from its own table.
    """

    flags: Mapping[str, str | None]
    program: str = ""
    option: int | None = None
    trial: int | None = None
    processes: int | None = None
    per_node: int | None = None

    @property
    def by_table(self) -> bool:
        """Whether the parameters come from the program's own table."""
        return "option" in self.flags

    @property
    def foreign_config(self) -> str | None:
        """A configuration file that is not the one beside the program; None where the pass used that one, or none."""
        given = self.flags.get("config")
        if not given:
            return None
        shipped = self.program.endswith(".py") and posixpath.dirname(posixpath.normpath(given)) == posixpath.dirname(self.program)
        return None if shipped else given


@functools.lru_cache(maxsize=_MOST_COMMANDS)
def parse_command(command: str, log: str = "") -> PassCommand | None:
    """Read the command line of one pass; None for one of something else. ``log`` is the file that its output went to."""
    if len(command) > _LONGEST_COMMAND:
        return None
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation without end
        words = command.split()
    start = next((i for i, word in enumerate(words) if word.endswith(".py") or words[i - 1 : i] == ["-m"]), -1)
    flags = _flags(words[start + 1 :])
    if not {"option", *_OUTPUT_FLAGS, *PARAMETERS}.intersection(flags):
        return None
    option, trial = _place(flags, log)
    launcher = words[: max(start, 0)]
    return PassCommand(
        flags=flags,
        program=posixpath.normpath(words[start]) if start >= 0 else "",
        option=option,
        trial=trial,
        processes=_launcher_count(launcher, _PROCESSES),
        per_node=_launcher_count(launcher, _PER_NODE),
    )


def _flags(words: Sequence[str]) -> dict[str, str | None]:
    """Flags with their values; of one that is given twice the last counts, as for the program's own parser."""
    found: dict[str, str | None] = {}
    for i, word in enumerate(words):
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            follows = words[i + 1] if i + 1 < len(words) and not words[i + 1].startswith("--") else None
            found[name.replace("_", "-")] = value if equals else follows
    return found


def _place(flags: Mapping[str, str | None], log: str) -> tuple[int | None, int | None]:
    """Option and trial: by the option's number, else by the directory that the pass writes to, else by the name of its log."""
    outputs = (_PLACE.search(flags.get(flag) or "") for flag in _OUTPUT_FLAGS)
    place = next((match for match in outputs if match is not None), None) or _LOG.search(log)
    by_place = (None, None) if place is None else tuple(None if part is None else int(part) for part in place.groups())
    named = integer(flags.get("option"))
    return by_place[0] if named is None else named, by_place[1]


def _launcher_count(words: Sequence[str], names: Sequence[str]) -> int | None:
    return next((integer(value) for word, value in itertools.pairwise(words) if word in names), None)


def passes_of(metadata: LeafMetadata) -> tuple[PassCommand, ...]:
    """Every pass that the metadata records a command of, in their order."""
    parsed = (parse_command(output.command, output.stdout) for output in metadata.command_output_files[:_MOST_COMMANDS])
    return tuple(command for command in parsed if command is not None)


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What an option ran with by one record: values by flag. ``complete``: a flag that is not there took the program's default."""

    values: Mapping[str, object]
    field: str
    complete: bool


def recorded_options(metadata: LeafMetadata, number_of_option: int) -> tuple[Recorded, ...]:
    """Every record of what an option ran with: its commands, and the table of options that newest releases write."""
    found = [
        Recorded(command.flags, "command_output_files", complete=not command.by_table)
        for command in passes_of(metadata)
        if command.option == number_of_option
    ]
    options = metadata.parameters.get("options")
    entry = options.get(str(number_of_option)) if isinstance(options, Mapping) else None
    if isinstance(entry, Mapping):
        values = {str(key).replace("_", "-"): value for key, value in entry.items()}
        found.append(Recorded(values, f"parameters.options.{number_of_option}", complete=False))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Difference:
    """One parameter of an option that ran with another value; ``measured`` None: it was not given."""

    flag: str
    measured: str | None
    required: str | int
    field: str


def differences(recorded: Recorded, option: KVCacheOption) -> tuple[Difference, ...]:
    """Parameters in which a record is not the edition's option."""
    found = []
    for flag, attribute in PARAMETERS.items():
        wanted = getattr(option, attribute)
        given = recorded.values.get(flag)
        if given is None and not (recorded.complete or flag in recorded.values):
            continue
        same = given == wanted if isinstance(wanted, str) else number(given) == wanted
        if not same:
            found.append(Difference(flag, None if given is None else shown(given), wanted, recorded.field))
    return tuple(found)
