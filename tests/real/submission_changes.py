"""Kinds of changes of the whole submission: a field, a file, a name, a place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = [
    "ABSENT",
    "CHECKPOINT",
    "CHECKPOINTING",
    "GENERATED",
    "MANIFEST",
    "METADATA",
    "OPEN_ONLY",
    "POOL",
    "RESULTS",
    "RUN",
    "SEPARATE",
    "SIZED",
    "SUBMISSION",
    "TABLE",
    "TOGETHER",
    "TRAINING",
    "Change",
    "Key",
    "Mutation",
    "added",
    "added_beside",
    "appended",
    "called",
    "change",
    "checkpointed",
    "described",
    "exchanged",
    "field",
    "generated",
    "gone",
    "later",
    "later_time",
    "measured",
    "of_run",
    "place",
    "replaced",
    "text",
    "with_smaller_host",
    "written",
]

TOGETHER: Final = "together"
"""The submission whose checkpoints one run wrote and read."""

SEPARATE: Final = "separate"
"""The one whose checkpoints one run wrote and another one read; only the rules on two runs are asked of it."""

OPEN_ONLY: Final = "the rule is asked in the open division only"
"""Why a change also moves the submission there."""

SUBMISSION: Final = "closed/northwind"
RESULTS: Final = f"{SUBMISSION}/results/array-1"
MANIFEST: Final = f"{SUBMISSION}/submission.yaml"
SYSTEM: Final = f"{SUBMISSION}/systems/array-1.yaml"
TABLE: Final = f"{SUBMISSION}/results/results.json"
POOL: Final = "code-images"

TRAINING: Final = f"{RESULTS}/training/unet3d"
SIZED: Final = f"{TRAINING}/datasize/*"
GENERATED: Final = f"{TRAINING}/datagen/*"
RUN: Final = f"{TRAINING}/run/2*"
CHECKPOINTING: Final = f"{RESULTS}/checkpointing/llama3-8b"
CHECKPOINT: Final = f"{CHECKPOINTING}/2*"
METADATA: Final = "*_metadata.json"

Change = Callable[[Path], None]
Key = str | int


@dataclasses.dataclass(frozen=True)
class Mutation:
    """A change of the tree, in words. ``several`` says why one change cannot reach the rule where there is more than one.

    ``no_worse`` is the severity in which the rule speaks of this kind of result at most, where of others it says more.
    """

    words: str
    changes: tuple[Change, ...]
    several: str = ""
    base: str = TOGETHER
    no_worse: str = ""


def change(words: str, *changes: Change, several: str = "", base: str = TOGETHER, no_worse: str = "") -> Mutation:
    """A change in words and in deed."""
    assert bool(several) == (len(changes) > 1), words
    return Mutation(words, changes, several, base, no_worse)


# Kinds of changes. A path is a pattern of which the first match is meant, of runs the ``nth``.


def _write(path: Path, content: str) -> None:
    """Write a file anew: in a copy of the tree it is a link to the one of the tree itself."""
    path.unlink(missing_ok=True)
    path.write_text(content, encoding="utf-8")


def place(tree: Path, pattern: str, nth: int = 0) -> Path:
    """The file or directory that is meant."""
    return sorted(tree.glob(pattern))[nth]


ABSENT: Final = object()


def field(pattern: str, *keys: Key, to: Any = ABSENT, nth: int = 0) -> Change:
    """Write another value to a field of a JSON or YAML file; a function makes it of the old one, none at all takes the field away."""

    def apply(tree: Path) -> None:
        path = place(tree, pattern, nth)
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        inner = document
        for key in keys[:-1]:
            inner = inner[key]
        before = json.dumps(document)
        if to is ABSENT:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = to(inner[keys[-1]]) if callable(to) else to
        assert json.dumps(document) != before, (pattern, keys)
        _write(path, json.dumps(document) if path.suffix == ".json" else yaml.safe_dump(document, sort_keys=False))

    return apply


def gone(pattern: str, nth: int = 0) -> Change:
    """Take a file or a directory away."""

    def apply(tree: Path) -> None:
        path = place(tree, pattern, nth)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return apply


def called(pattern: str, name: str | Callable[[str], str], nth: int = 0) -> Change:
    """Give a file or a directory another name, which may lead elsewhere."""

    def apply(tree: Path) -> None:
        path = place(tree, pattern, nth)
        path.rename(path.parent / (name if isinstance(name, str) else name(path.name)))

    return apply


def added(path: str, content: str = "left here\n") -> Change:
    """Put a file into the tree."""

    def apply(tree: Path) -> None:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        _write(tree / path, content)

    return apply


def added_beside(pattern: str, name: str) -> Change:
    """Put a file beside another one."""
    return lambda tree: added(f"{place(tree, pattern).parent.relative_to(tree)}/{name}")(tree)


def replaced(pattern: str, *, by: int, nth: int) -> Change:
    """Put what another run has in the place of what a run has."""

    def apply(tree: Path) -> None:
        source, target = place(tree, pattern, by), place(tree, pattern, nth)
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target)
        else:
            _write(target, source.read_text(encoding="utf-8"))

    return apply


def exchanged(pattern: str, one: int, other: int) -> Change:
    """Exchange what two runs have."""

    def apply(tree: Path) -> None:
        first, second = place(tree, pattern, one), place(tree, pattern, other)
        aside = first.with_name(f"{first.name}.aside")
        first.rename(aside)
        second.rename(first)
        aside.rename(second)

    return apply


def text(pattern: str, content: str, nth: int = 0) -> Change:
    """Write other text into a file."""

    def apply(tree: Path) -> None:
        _write(place(tree, pattern, nth), content)

    return apply


def appended(pattern: str, line: str) -> Change:
    """Write a line at the end of a file."""

    def apply(tree: Path) -> None:
        path = place(tree, pattern)
        _write(path, path.read_text(encoding="utf-8") + line)

    return apply


def of_run(*keys: Key, to: Any = ABSENT, nth: int = 2) -> Change:
    """A field of the metadata of a training run."""
    return field(f"{RUN}/{METADATA}", *keys, to=to, nth=nth)


def measured(*keys: Key, to: Any = ABSENT, nth: int = 2) -> Change:
    """A field of the summary of a training run."""
    return field(f"{RUN}/summary.json", *keys, to=to, nth=nth)


def generated(*keys: Key, to: Any = ABSENT) -> Change:
    """A field of the metadata of the data generation."""
    return field(f"{GENERATED}/{METADATA}", *keys, to=to)


def checkpointed(*keys: Key, to: Any = ABSENT, nth: int = 0) -> Change:
    """A field of the metadata of a checkpointing run."""
    return field(f"{CHECKPOINT}/{METADATA}", *keys, to=to, nth=nth)


def written(*keys: Key, to: Any = ABSENT, nth: int = 0) -> Change:
    """A field of the summary of a checkpointing run."""
    return field(f"{CHECKPOINT}/summary.json", *keys, to=to, nth=nth)


def described(*keys: Key, to: Any = ABSENT) -> Change:
    """A field of the system description."""
    return field(SYSTEM, "system_under_test", *keys, to=to)


def later(name: str, **by: float) -> str:
    """The name of a leaf that began so much later."""
    return (dt.datetime.strptime(name, "%Y%m%d_%H%M%S") + dt.timedelta(**by)).strftime("%Y%m%d_%H%M%S")


def with_smaller_host(hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The hosts of a run with another one that has a tenth of the memory."""
    memory = hosts[0]["memory"]
    return [*hosts, {**hosts[0], "hostname": "small", "memory": {**memory, "total": memory["total"] // 10}}]


def later_time(text: str, **by: float) -> str:
    """A time so much later."""
    return (dt.datetime.fromisoformat(text) + dt.timedelta(**by)).isoformat()
