"""The configuration as the rest of the house sees it: frozen, typed, every value with its origin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel

from pytest_mlpstorage.config.sections import PLACEHOLDER
from pytest_mlpstorage.config.tree import Origin, Setting
from pytest_mlpstorage.verdict import Division

__all__ = [
    "Check",
    "ClusterConfig",
    "EntryCheck",
    "FamilyConfig",
    "FamilySchema",
    "Given",
    "HostSpec",
    "ItemConfig",
    "KeySpec",
    "LaunchConfig",
    "SuiteConfig",
]

_FOLDER: Final = "checkpoint.checkpoint_folder"
_CACHE: Final = "cache_dir"
"""Own key of a section that names a directory on the storage under test."""

_STRENGTH: Final = {"option": 5, "yaml": 4, "environment": 3, "computed": 2, "edition": 1, "default": 0}


@dataclasses.dataclass(frozen=True)
class KeySpec:
    """What an official parameter takes. Sizes become bytes and durations seconds.

    ``size`` and ``duration`` need their unit in the value; a key whose name tells its unit (``_bytes``, ``_seconds``)
    takes a bare number too, and an ``int`` key that ends in ``_bytes`` takes ``4MiB`` too. A mapping below an ``any``
    key is accepted as it is. ``engines`` are the versions that know the key; ``minimum`` is the least number allowed.
    """

    type: Literal["int", "float", "bool", "str", "size", "duration", "any"]
    engines: tuple[str, ...] = ()
    help: str = ""
    minimum: int | float | None = None


@dataclasses.dataclass(frozen=True)
class ItemConfig:
    """One entry of a family's list: its own keys, and its official parameters (dotted key → value with origin).

    ``origin`` is the place of the entry, ``origins`` that of each own key that was given, ``index`` its number in the list.
    """

    own: BaseModel
    parameters: Mapping[str, Setting]
    origin: Origin | None = None
    origins: Mapping[str, Origin] = dataclasses.field(default_factory=dict)
    index: int = 0


Check: TypeAlias = Callable[[Sequence[ItemConfig]], Iterator[tuple[int, str, str]]]
EntryCheck: TypeAlias = Callable[[Mapping[str, str], str, Division], Iterator[tuple[str, str]]]


@dataclasses.dataclass(frozen=True)
class FamilySchema:
    """What a workload family brings: its own keys, the official ones, and checks of its entries.

    ``check`` gets the entries that are right in themselves and yields (position in what it got, own key or official parameter, message).
    ``entry_check`` gets the own keys of one entry as they were written, right or not, the edition and the division, and
    yields (own key, message). Each becomes an error at the place of that key, beside all others of the configuration.
    The models are frozen pydantic models with ``extra="forbid"`` and ``strict=True``.
    """

    family: str
    model: type[BaseModel]
    official_keys: Mapping[str, KeySpec]
    item_key: str | None = "workloads"
    item_model: type[BaseModel] | None = None
    check: Check | None = None
    entry_check: EntryCheck | None = None


@dataclasses.dataclass(frozen=True)
class FamilyConfig:
    """The section of one family."""

    own: BaseModel
    parameters: Mapping[str, Setting]
    items: tuple[ItemConfig, ...]


@dataclasses.dataclass(frozen=True)
class HostSpec:
    """A host and the ranks it takes at most (None: as many as the launcher finds)."""

    name: str
    slots: int | None = None


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """The hosts as declared. ``memory_per_host_bytes`` is used only where it is declared.

    ``collect`` is how they are asked: ``mpi``, ``ssh`` (by the program ``ssh`` and its arguments), or ``declared``: not at all.
    """

    hosts: tuple[HostSpec, ...] = (HostSpec("localhost"),)
    memory_per_host_bytes: int | None = None
    collect: str = "mpi"
    ssh: tuple[str, ...] = ("ssh",)


@dataclasses.dataclass(frozen=True)
class LaunchConfig:
    """How ranks are started and watched; a deadline of None is computed for each launch, an interval of None takes no samples."""

    launcher: str = "auto"
    deadline_seconds: float | None = None
    heartbeat_seconds: float = 30.0
    stall_warning_seconds: float = 120.0
    stall_abort_seconds: float | None = None
    mpi_args: tuple[str, ...] = ()
    oversubscribe: bool | None = None
    sample_interval_seconds: float | None = 1.0


@dataclasses.dataclass(frozen=True)
class Given:
    """What a user wrote beside the YAML: the values of ``--mlps-set`` and the ``MLPS_…`` variables, passwords among them; and where."""

    assignments: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    directory: str = ""


@dataclasses.dataclass(frozen=True)
class SuiteConfig:
    """Everything a session runs with. ``path`` is the YAML (None: no file); both directories are absolute.

    ``settings`` holds every effective value; ``placeholders`` those still written as ``<…>``, which collect and must
    fail before anything that needs them is launched. ``given`` is what would make it once more.
    """

    path: Path | None
    edition: str
    division: Division
    submitter: str
    system: str
    data_dir: Path
    results_dir: Path
    cluster: ClusterConfig
    launch: LaunchConfig
    families: Mapping[str, FamilyConfig]
    settings: tuple[Setting, ...]
    warnings: tuple[str, ...] = ()
    placeholders: tuple[Setting, ...] = ()
    given: Given = Given()

    @property
    def storage_dirs(self) -> tuple[Path, ...]:
        """``data_dir`` and each other directory on the storage under test that is named: they are looked at and locked."""
        named = [item.parameters[_FOLDER].value for family in self.families.values() for item in family.items if _FOLDER in item.parameters]
        named += [folder for family in self.families.values() if (folder := getattr(family.own, _CACHE, None)) is not None]
        told = [str(folder) for folder in named if not PLACEHOLDER.search(str(folder))]
        return tuple(dict.fromkeys((self.data_dir, *map(Path, told))))

    def blanks(self, family: str | None = None) -> tuple[Setting, ...]:
        """The placeholders that a family needs filled in, or that all of them do: those in the sections of others keep nobody waiting."""
        sections = self.families.keys() - {family}
        return tuple(blank for blank in self.placeholders if blank.key.partition(".")[0] not in sections)

    def with_settings(self, extra: Iterable[Setting]) -> SuiteConfig:
        """A copy that also knows the values which the edition gave or which were computed.

        A value of the same key from a stronger origin stays: option, yaml, environment, computed, edition, default.
        """
        merged = {setting.key: setting for setting in self.settings}
        for setting in extra:
            known = merged.get(setting.key)
            if known is None or _STRENGTH[setting.origin.kind] >= _STRENGTH[known.origin.kind]:
                merged[setting.key] = setting
        return dataclasses.replace(self, settings=tuple(merged.values()))

    def origin(self, key: str) -> Origin:
        """Where the effective value of a dotted key came from; raises KeyError for a key without a value."""
        for setting in self.settings:
            if setting.key == key:
                return setting.origin
        raise KeyError(key)
