"""How a run of round 1.0 was configured, from its ``configs/``: the overrides as given, and the workload that came of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.records import Leaf

__all__ = ["RunConfig", "as_metadata", "configs_of", "read_config"]

_GROUP: Final = "workload"
_OVERRIDE: Final = re.compile(r"(?:\+{1,2}|~)?(?P<key>[^=]*)(?:=(?P<value>.*))?", re.DOTALL)
_RAW: Final = "configs"


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One configuration folder. ``folder`` is relative to the tree.

    ``workloads`` are the names given as ``workload=<name>`` (one in a sound run). ``overrides`` maps an official key to its value
    as given; ``foreign`` are entries that are no override of the workload. None is a file that is absent or unreadable.
    """

    folder: str
    workloads: tuple[str, ...] = ()
    overrides: Mapping[str, str] | None = None
    foreign: tuple[str, ...] = ()
    parameters: Mapping[str, Any] | None = None

    @property
    def overrides_file(self) -> str:
        """Path of overrides.yaml relative to the tree."""
        return f"{self.folder}/overrides.yaml"

    @property
    def config_file(self) -> str:
        """Path of config.yaml relative to the tree."""
        return f"{self.folder}/config.yaml"

    @property
    def workload(self) -> str | None:
        """The name of the workload, ``unet3d_h100``; None where none or more than one is named."""
        return self.workloads[0] if len(set(self.workloads)) == 1 else None

    @property
    def model(self) -> str | None:
        """The workload's name without its accelerator."""
        return self.workload.rpartition("_")[0] or None if self.workload is not None else None

    @property
    def accelerator(self) -> str | None:
        """The last part of the workload's name."""
        return self.workload.rpartition("_")[2] or None if self.model is not None and self.workload is not None else None


def read_config(files: TreeFiles, folder: Path, present: frozenset[str]) -> RunConfig:
    """Read the configuration in a folder that holds the files ``present``; what is damaged is a problem and None."""
    workloads: list[str] = []
    overrides: dict[str, str] | None = None
    foreign: list[str] = []
    given = files.yaml_document(folder / "overrides.yaml") if "overrides.yaml" in present else None
    if isinstance(given, list):
        overrides = {}
        for entry in given:
            _take(entry, workloads, overrides, foreign)
    elif given is not None:
        files.complain(folder / "overrides.yaml", "holds no list of overrides")
    document = files.yaml_document(folder / "config.yaml") if "config.yaml" in present else None
    parameters = document.get(_GROUP) if isinstance(document, Mapping) else None
    if document is not None and not isinstance(parameters, Mapping):
        files.complain(folder / "config.yaml", f"holds no mapping {_GROUP!r}")
        parameters = None
    return RunConfig(files.relative(folder), tuple(workloads), overrides, tuple(foreign), parameters)


def _take(entry: object, workloads: list[str], overrides: dict[str, str], foreign: list[str]) -> None:
    match = _OVERRIDE.fullmatch(entry.strip()) if isinstance(entry, str) else None
    if match is None:
        foreign.append(str(entry)[:200])
        return
    key, value = match["key"].strip(), (match["value"] or "").strip()
    if key == _GROUP:
        workloads.append(value)
    elif key.startswith(f"{_GROUP}."):
        overrides[key.removeprefix(f"{_GROUP}.")] = value
    elif not key.startswith("hydra."):  # where the launcher put its files
        foreign.append(key)


def as_metadata(configs: tuple[RunConfig, ...]) -> LeafMetadata | None:
    """What later rounds record as metadata, as far as the first of a run's configurations tells; None where there is none.

    ``raw`` keeps all of them for ``configs_of``.
    """
    if not configs:
        return None
    first = configs[0]
    return LeafMetadata(
        benchmark_type="training",
        model=first.model,
        command="run",
        accelerator=first.accelerator,
        parameters=first.parameters or {},
        override_parameters=dict(first.overrides or {}),
        path=first.overrides_file,
        raw={_RAW: configs},
    )


def configs_of(leaf: Leaf) -> tuple[RunConfig, ...]:
    """The configurations of a run, each that differs from the others once: the one beside the summary first."""
    kept = leaf.metadata.raw.get(_RAW) if leaf.metadata is not None else None
    return tuple(config for config in kept if isinstance(config, RunConfig)) if isinstance(kept, tuple) else ()
