"""Which round's layout a submission stands in: the spellings of its directories, and one peek at what its runs recorded."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS, PHASES, is_noise, is_timestamp
from pytest_mlpstorage.results.provenance import PROVENANCE, UNKNOWN
from pytest_mlpstorage.results.read_submission import POINTER
from pytest_mlpstorage.results.records import Listing
from pytest_mlpstorage.verdict import Division

__all__ = [
    "benchmark_of",
    "declared_by_provenance",
    "described_edition",
    "division_of",
    "is_code_folder",
    "leaf_directories",
    "points_to_image",
    "recorded_edition",
    "results_folder",
    "systems_folders",
]

_CODE: Final = re.compile(r"(?:v?[\d.]+[-_ ])?code(?:[-_ ]v?[\d.]+)?", re.IGNORECASE)
_ROOT_KEY: Final = re.compile(
    rb"""(?:(?:^|\A\xef\xbb\xbf)(?:\s{0,8}")?|\A(?:\xef\xbb\xbf)?\s*\{\s*")(system_under_test|System|PowerRequirements|Nodes)"?\s*:""",
    re.MULTILINE,
)
"""Keys at the top of a description, in JSON on one line too: rules.md §2.2 for both rounds."""

_DESCRIPTIONS: Final = (".yaml", ".yml", ".json")
_PEEKED_DESCRIPTION: Final = 1024**2
_PEEKED_LEAVES: Final = 8
_PEEKED_BYTES: Final = 8 * 1024**2


def division_of(name: str) -> Division | None:
    """Division that a directory of this name holds: rounds 1.0 and 2.0 wrote ``Closed`` and ``Open``; None for any other name.

    Rule 2.1.2 speaks of the spelling.
    """
    return next((division for division in Division if division.value == name.lower()), None)


def benchmark_of(name: str) -> str | None:
    """The benchmark that a directory of this name holds, whatever its case (rules.md §1.2); None for any other name."""
    return name.lower() if name.lower() in BENCHMARKS else None


def results_folder(listing: Listing) -> str | None:
    """Name of the directory with the results: ``results``, else ``result`` and any case, else the only name that holds that word."""
    return _named(listing, "result")


def systems_folders(listing: Listing) -> tuple[str, ...]:
    """Names of the directories with the descriptions of systems: ``systems``, ``system``, any case."""
    return tuple(name for name in listing.directories if name.lower() in ("systems", "system"))


def is_code_folder(name: str) -> bool:
    """Whether a name says that code stands there: ``code``, ``v1.0.1_code``."""
    return _CODE.fullmatch(name) is not None


def _named(listing: Listing, word: str) -> str | None:
    names = [name for name in listing.directories if not is_noise(name) and not name.startswith(".")]
    for fits in (lambda name: name == f"{word}s", lambda name: name.lower() in (word, f"{word}s"), lambda name: word in name.lower()):
        found = [name for name in names if fits(name)]
        if found:
            return found[0]
    return None


def leaf_directories(files: TreeFiles, system: Path) -> Iterator[Path]:
    """Timestamp directories of a system in the layout of rounds 2.0 and 3.0, where they belong."""
    for benchmark in _inside(files, system):
        if benchmark_of(benchmark.name) is None:
            continue
        for model in _inside(files, benchmark):
            deeper = _inside(files, model) if benchmark_of(benchmark.name) == "vector_database" else ()
            for place in (model, *(m for m in deeper if m.name not in PHASES)):
                for parent in (place, *(place / phase for phase in PHASES)):
                    yield from (leaf for leaf in _inside(files, parent) if is_timestamp(leaf.name))


def _inside(files: TreeFiles, parent: Path) -> Iterator[Path]:
    return (parent / name for name in files.listing(parent).directories if not is_noise(name))


def recorded_edition(root: Path, leaves: Iterator[Path]) -> str | None:
    """The edition whose tool wrote the metadata of the first leaf that tells: ``2.0``, ``3.0``, or None.

    Edition 3.0 calls the effective workload ``parameters``, 2.0 ``combined_params``.
    """
    # What it cannot read is told when the leaf is read.
    files = TreeFiles(root)
    for leaf in itertools.islice(leaves, _PEEKED_LEAVES):
        names = files.listing(leaf).files
        if POINTER in names:
            return "3.0"
        for name in names:
            if "metadata" in name and name.lower().endswith(".json") and not is_noise(name):
                told = _edition_of_metadata(files.content(leaf / name, limit=_PEEKED_BYTES))
                if told is not None:
                    return told
    return None


def _edition_of_metadata(content: bytes | None) -> str | None:
    metadata = _object(content)
    if "parameters" in metadata or isinstance(metadata.get("system_info"), Mapping):
        return "3.0"
    if "combined_params" in metadata or "params_dict" in metadata or isinstance(metadata.get("cluster_information"), str):
        return "2.0"
    return None


def _object(content: bytes | None) -> Mapping[str, object]:
    try:
        parsed = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, Mapping) else {}


def described_edition(files: TreeFiles, submission: Path) -> str | None:
    """The edition in whose form the first description of a system that tells it is written: ``2.0``, ``3.0``, or None."""
    # What cannot be read is told when the description is.
    scratch = TreeFiles(files.root)
    for folder in systems_folders(files.listing(submission)):
        names = [name for name in files.listing(submission / folder).files if name.lower().endswith(_DESCRIPTIONS) and not is_noise(name)]
        for name in names[:_PEEKED_LEAVES]:
            root = _ROOT_KEY.search(scratch.content(submission / folder / name, limit=_PEEKED_DESCRIPTION) or b"")
            if root is not None:
                return "3.0" if root[1] == b"system_under_test" else "2.0"
    return None


def points_to_image(root: Path, leaves: Iterator[Path]) -> bool:
    """Whether one of the first leaves names its code image, which came with edition 3.0."""
    files = TreeFiles(root)
    return any(POINTER in files.listing(leaf).files for leaf in itertools.islice(leaves, _PEEKED_LEAVES))


def declared_by_provenance(root: Path, leaves: Iterator[Path]) -> str | None:
    """The edition that the provenance of the first leaf with such a record declares; None where none does."""
    files = TreeFiles(root)
    for leaf in itertools.islice(leaves, _PEEKED_LEAVES):
        if PROVENANCE in files.listing(leaf).files:
            declared = _object(files.content(leaf / PROVENANCE, limit=_PEEKED_BYTES)).get("rules_edition")
            if isinstance(declared, str) and declared.strip() not in ("", UNKNOWN):
                return declared.strip().removeprefix("v")
    return None
