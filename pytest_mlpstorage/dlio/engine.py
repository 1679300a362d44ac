"""Which reader, loader and generator do the I/O: DLIO's own, or ours where its own would measure something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import value_at

__all__ = ["ODIRECT_READER", "PARQUET_LOADER", "RAW_READER", "Engine", "choose"]

RAW_READER = "pytest_mlpstorage.dlio.raw_reader.RawReader"
ODIRECT_READER = "pytest_mlpstorage.dlio.raw_reader.DirectRawReader"
PARQUET_LOADER = "pytest_mlpstorage.dlio.parquet_loader.RowGroupLoader"

_IMAGES = ("jpeg", "png")


@dataclasses.dataclass(frozen=True)
class Engine:
    """The parts that do the I/O of one run; ``settings`` are the dotted keys that bring plug-ins in."""

    reader: str
    generator: str
    settings: Mapping[str, Any]

    @property
    def builtin(self) -> bool:
        """True if nothing but DLIO's own code measures."""
        return self.reader == "builtin" and self.generator == "builtin"


def choose(workload: Mapping[str, Any], *, flavour: str, reader: str, generator: str) -> Engine:
    """Resolve ``auto`` for a ``workload`` section (nested), a DLIO ``flavour`` and the two options.

    The registry's DLIO writes real JPEGs that are half as long as it reports and decodes them while it measures reading
    (training.md §4): images go through the raw parts there. It knows neither O_DIRECT nor parquet. The MLCommons fork is
    never given a plug-in unless asked. Raises ConfigurationError for what the combination cannot do.
    """
    format_name = str(value_at(workload, "dataset.format", "tfrecord")).lower()
    odirect = bool(value_at(workload, "reader.odirect", False))
    own_reader = value_at(workload, "reader.reader_classname") or value_at(workload, "reader.data_loader_classname")
    registry = flavour != "mlcommons"
    if registry and format_name == "parquet":
        if reader not in ("auto", "raw") or generator not in ("auto", "raw"):
            raise ConfigurationError(
                f"DLIO 2.0.0 has no parquet of its own: reader {reader!r} and generator {generator!r} cannot serve it", code="MLPS-E140"
            )
        settings = {} if own_reader else {"reader.data_loader_classname": PARQUET_LOADER, "reader.data_loader_sampler": "index"}
        return Engine("plugin" if own_reader else "parquet", "parquet", settings)
    images = registry and format_name in _IMAGES
    if generator == "auto":
        generator = "raw" if images else "builtin"
    if reader == "auto":
        if own_reader:
            reader = "plugin"
        elif registry and odirect:
            reader = "raw-odirect"
        else:
            reader = "raw" if images else "builtin"
    elif own_reader:
        raise ConfigurationError(
            f"--mlps-reader={reader} and a reader or loader class in the parameters contradict each other",
            details={"class": own_reader},
            suggestion="leave one of them out",
            code="MLPS-E113",
        )
    if registry and odirect and reader in ("builtin", "raw"):
        raise ConfigurationError(
            f"reader.odirect is true, and the reader {reader!r} of DLIO 2.0.0 cannot do it",
            suggestion="--mlps-reader=raw-odirect",
            code="MLPS-E140",
        )
    if reader == "builtin" and generator == "raw" and registry and bool(value_at(workload, "workflow.train", False)):
        raise ConfigurationError("DLIO 2.0.0's own reader cannot read raw files", suggestion="--mlps-reader=raw", code="MLPS-E140")
    classname = {"raw": RAW_READER, "raw-odirect": ODIRECT_READER}.get(reader)
    return Engine(reader, generator, {"reader.reader_classname": classname} if classname else {})
