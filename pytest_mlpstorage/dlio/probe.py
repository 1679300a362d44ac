"""``python -m pytest_mlpstorage.dlio.probe``: what the DLIO of this interpreter can do, as one line of JSON.

Always in a process of its own: DLIO has singletons, and its imports cost a second that pytest must not pay.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Final

from pytest_mlpstorage.dlio import flavour, standins
from pytest_mlpstorage.dlio.capabilities import Capabilities

__all__ = ["EXIT_CODES", "main", "probe_here"]

EXIT_CODES: Final[Mapping[str, str]] = {"0": "told, whatever is there"}


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _present(*packages: str) -> tuple[str, ...]:
    return tuple(name for name in packages if find_spec(name) is not None)


def probe_here() -> Capabilities:
    """Look at the DLIO that this process would import; imports its enumerations and settings, not torch and no MPI."""
    if flavour.package_folder() is None:
        return Capabilities(installed=False, problem="dlio_benchmark is not installed")
    stand_ins = standins.install()
    kind = flavour.flavour()
    found = Capabilities(
        installed=True,
        version=flavour.version(),
        flavour=kind,
        commit=flavour.commit(),
        folder=str(flavour.package_folder()),
        record_key="record_length_bytes" if kind == flavour.MLCOMMONS else "record_length",
        per_rank_stats="_per_epoch_stats.json" in flavour.source("utils/statscounter.py"),
        missing=stand_ins,
        torch=_version_of("torch"),
        pyarrow=_version_of("pyarrow"),
        object_libraries=_present("s3dlio", "minio", "s3torchconnector"),
    )
    try:
        return _ask(found)
    except (ImportError, AttributeError, TypeError, OSError, RuntimeError) as error:
        return dataclasses.replace(found, problem=f"{type(error).__name__}: {error}")


def _ask(found: Capabilities) -> Capabilities:
    import mpi4py

    mpi4py.rc.initialize = False
    enumerations: Any = importlib.import_module("dlio_benchmark.common.enumerations")
    config: Any = importlib.import_module("dlio_benchmark.utils.config")
    formats = tuple(sorted(member.value for member in enumerations.FormatType))
    missing = [name for name in ("torch", "hydra", "omegaconf", "mpi4py", "numpy", "pandas", "psutil") if find_spec(name) is None]
    return dataclasses.replace(
        found,
        formats=formats,
        parquet="parquet" in formats,
        odirect=hasattr(config.ConfigArguments, "odirect"),
        llm_checkpoint=hasattr(config.ConfigArguments, "num_checkpoints_write"),
        subset=hasattr(enumerations, "CheckpointModeType"),
        storage_types=tuple(sorted(member.value for member in enumerations.StorageType)),
        problem=f"{', '.join(missing)} not installed" if missing else "",
    )


def main() -> int:
    """Print the answer as the last line of stdout."""
    sys.stdout.write("\n" + json.dumps(probe_here().to_json()) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
