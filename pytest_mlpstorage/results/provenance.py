"""What a leaf and a code image say of their origin: ``provenance.json``, ``.mlps-code-image`` and ``.code-hash.json`` as records."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.results.coerce import JSONObject, Reading

__all__ = [
    "ALGORITHMS",
    "CODE_HASH",
    "LAYOUT_VERSION",
    "PROVENANCE",
    "UNKNOWN",
    "CodeHash",
    "Provenance",
    "image_digits",
    "image_name",
    "parse_pointer",
    "pointer_text",
]

PROVENANCE: Final = "provenance.json"
"""File of a leaf that stamps what it was made with; a leaf that has it is *stamped*."""

CODE_HASH: Final = ".code-hash.json"
"""File of a code image that records its hash."""

UNKNOWN: Final = "unknown"
"""What a stamp says that its writer could not establish; such a stamp is never left out."""

LAYOUT_VERSION: Final = 3
"""The layout of a tree whose leaves are stamped and point to a pool of code images."""

_SCHEMA: Final = "mlps-run-provenance/1"

# Conflict C-12: older rule text calls the algorithm md5-tree-v1, every stored file and the newest text md5-tree-v2. Both names
# are accepted for the one algorithm that is described.
ALGORITHMS: Final = ("md5-tree-v2", "md5-tree-v1")
"""Names of the tree hash, the current one first."""

_HEX: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_IMAGE: Final = re.compile(r"(?:.*/)?code-([0-9a-f]{8})/?", re.ASCII | re.DOTALL)
_NAME_DIGITS: Final = 8


def image_name(digest: str) -> str:
    """Name of the directory of the code image with a hash: ``code-`` and its first 8 digits."""
    return f"code-{digest[:_NAME_DIGITS]}"


def parse_pointer(text: str) -> tuple[str, str] | None:
    """Take apart what a pointer says, ``md5-tree-v2:<32 hex>``: the name of the algorithm and the hash; None where it is neither."""
    algorithm, colon, digest = text.strip().partition(":")
    return (algorithm, digest) if colon and algorithm in ALGORITHMS and _HEX.fullmatch(digest) else None


def pointer_text(digest: str) -> str:
    """What a leaf's pointer says of the code image with a hash."""
    return f"{ALGORITHMS[0]}:{digest}"


def image_digits(text: str) -> str | None:
    """The hash, or its first 8 digits, of an image named in any of the forms in use: pointer, bare hash, ``code-<hash8>``, its path."""
    pointer = parse_pointer(text)
    if pointer is not None:
        return pointer[1]
    if _HEX.fullmatch(text.strip()):
        return text.strip()
    match = _IMAGE.fullmatch(text.strip())
    return match[1] if match else None


@dataclasses.dataclass(frozen=True)
class Provenance:
    """``provenance.json`` of one leaf. A stamp that its writer did not know is the text ``unknown``; None is absent or no text.

    ``core_config_keys`` are the parameters that the hash covers; ``tags`` says of each stamp how it came about
    (``runtime``, ``package-metadata``, ``direct-url``, ``declared``, ``n/a``, ``unknown`` …). ``problems`` names stamps of the wrong
    kind; ``path`` is relative to the tree.
    """

    rules_edition: str | None = None
    layout_version: int | None = None
    code_image: str | None = None
    dlio_version: str | None = None
    dlio_commit: str | None = None
    core_config_algorithm: str | None = None
    core_config_hash: str | None = None
    core_config_allowlist: str | None = None
    core_config_keys: tuple[str, ...] = ()
    tool_name: str | None = None
    tool_version: str | None = None
    tool_git_sha: str | None = None
    dlio_source: str | None = None
    storage_library_name: str | None = None
    storage_library_version: str | None = None
    stamped_at: str | None = None  # UTC, ISO 8601
    stamped_by: str | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    path: str = dataclasses.field(default="", compare=False)
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def edition(self) -> str | None:
        """The edition that the stamp declares (``v3.0`` is ``3.0``); None where it declares none or does not know it."""
        declared = (self.rules_edition or UNKNOWN).strip().removeprefix("v")
        return None if declared in ("", UNKNOWN) else declared

    @classmethod
    def from_json(cls, raw: JSONObject, path: str = "") -> Provenance:
        """From a parsed ``provenance.json``."""
        fields = Reading(raw)

        def part(name: str) -> Reading:
            return Reading(fields.mapping(name) or {}, f"{name}.", fields.problems)

        tool, dlio, core = part("tool"), part("dlio"), part("core_config")
        # Of what no rule asks, a value of the wrong kind is as good as none.
        lesser, library = Reading(raw), Reading(_mapping(raw.get("storage_library")))
        made_by, source, listed = Reading(_mapping(raw.get("tool"))), Reading(_mapping(raw.get("dlio"))), _mapping(raw.get("core_config"))
        keys = listed.get("keys")
        return cls(
            rules_edition=fields.text("rules_edition"),
            layout_version=fields.integer("layout_version"),
            code_image=tool.text("code_image"),
            dlio_version=dlio.text("version"),
            dlio_commit=dlio.text("commit"),
            core_config_algorithm=core.text("algorithm"),
            core_config_hash=core.text("hash"),
            core_config_allowlist=Reading(listed).text("allowlist"),
            core_config_keys=tuple(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else (),
            tool_name=made_by.text("name"),
            tool_version=made_by.text("version"),
            tool_git_sha=made_by.text("git_sha"),
            dlio_source=source.text("source"),
            storage_library_name=library.text("name"),
            storage_library_version=library.text("version"),
            stamped_at=lesser.text("stamped_at"),
            stamped_by=lesser.text("stamped_by"),
            tags={str(key): tag for key, tag in _mapping(raw.get("provenance")).items() if isinstance(tag, str)},
            path=path,
            problems=tuple(fields.problems),
            raw=raw,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the file (rules.md §1.5). What is not known is said to be ``unknown``, and no stamp is left out."""
        return {
            "schema": _SCHEMA,
            "rules_edition": self.rules_edition or UNKNOWN,
            "layout_version": LAYOUT_VERSION if self.layout_version is None else self.layout_version,
            "tool": {
                "name": self.tool_name or UNKNOWN,
                "version": self.tool_version or UNKNOWN,
                "git_sha": self.tool_git_sha or UNKNOWN,
                "code_image": self.code_image or UNKNOWN,
            },
            "dlio": {
                "version": self.dlio_version or UNKNOWN,
                "source": self.dlio_source or UNKNOWN,
                "commit": self.dlio_commit or UNKNOWN,
            },
            "storage_library": {"name": self.storage_library_name or UNKNOWN, "version": self.storage_library_version or UNKNOWN},
            "core_config": {
                "algorithm": self.core_config_algorithm or UNKNOWN,
                "allowlist": self.core_config_allowlist or UNKNOWN,
                "hash": self.core_config_hash or UNKNOWN,
                "keys": list(self.core_config_keys),
            },
            "stamped_at": self.stamped_at or UNKNOWN,
            "stamped_by": self.stamped_by or UNKNOWN,
            "provenance": dict(self.tags),
        }


def _mapping(value: object) -> JSONObject:
    return value if isinstance(value, Mapping) else {}


@dataclasses.dataclass(frozen=True)
class CodeHash:
    """``.code-hash.json`` of one code image. ``digest`` is its ``hash``; ``problems`` names fields of the wrong kind."""

    digest: str | None = None
    algorithm: str | None = None
    captured_at: str | None = None
    mlpstorage_version: str | None = None
    git_sha: str | None = None
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def well_formed(self) -> bool:
        """Whether it gives a hash by an algorithm that is known."""
        return self.digest is not None and _HEX.fullmatch(self.digest) is not None and self.algorithm in ALGORITHMS

    @classmethod
    def from_json(cls, raw: JSONObject) -> CodeHash:
        """From a parsed ``.code-hash.json``."""
        fields = Reading(raw)
        return cls(
            digest=fields.text("hash"),
            algorithm=fields.text("algorithm"),
            captured_at=fields.text("captured_at"),
            mlpstorage_version=fields.text("mlpstorage_version"),
            git_sha=fields.text("git_sha"),
            problems=tuple(fields.problems),
            raw=raw,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the file, keys in the order of published ones."""
        return {
            "hash": self.digest,
            "algorithm": self.algorithm,
            "captured_at": self.captured_at,
            "mlpstorage_version": self.mlpstorage_version,
            "git_sha": self.git_sha,
        }
