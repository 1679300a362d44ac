"""The rank program's own arguments, told apart from Hydra's."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["GENERATORS", "READERS", "Arguments", "parse"]

READERS = ("auto", "builtin", "raw", "raw-odirect")
GENERATORS = ("auto", "builtin", "raw")
_OPTIONS = ("--mlps-ranks", "--mlps-evidence", "--mlps-reader", "--mlps-generator", "--mlps-cache-budget", "--mlps-keep-caches")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What was asked of the rank program; ``hydra`` is left for DLIO, options such as ``--config-dir`` (``config_dir``) last.

    ``cache_budget_seconds`` is the time for measuring the page cache and dropping the data from it; None: neither is done.
    """

    ranks: int | None
    evidence: Path | None
    reader: str
    generator: str
    hydra: tuple[str, ...]
    config_dir: Path | None = None
    cache_budget_seconds: float | None = None
    drop_caches: bool = True


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"python -m pytest_mlpstorage.dlio: {message}", code="MLPS-E130")


def parse(argv: Sequence[str]) -> Arguments:
    """Split an argument list; raises ConfigurationError for an unknown ``--mlps-`` option or a wrong value."""
    parser = _Parser(prog="python -m pytest_mlpstorage.dlio", allow_abbrev=False, add_help=False)
    parser.add_argument("--mlps-ranks", type=int, default=None, help="COMM_WORLD must have this size")
    parser.add_argument(
        "--mlps-evidence", type=Path, default=None, help="folder for <rank>_effective.json, _io.json, _end.json, _error.json"
    )
    parser.add_argument("--mlps-reader", choices=READERS, default="auto")
    parser.add_argument("--mlps-generator", choices=GENERATORS, default="auto")
    parser.add_argument("--mlps-cache-budget", type=_seconds, default=None, help="measure the page cache, and drop the data from it")
    parser.add_argument("--mlps-keep-caches", action="store_true", help="measure only")
    own, rest = parser.parse_known_args(list(argv))
    unknown = [word for word in rest if word.startswith("--mlps-")]
    if unknown:
        parser.error(f"unknown option {unknown[0]}; known: {', '.join(_OPTIONS)}")
    # Hydra takes its overrides as one run of words: an option between two of them is "unrecognized arguments".
    overrides, options, value_follows = [], [], False
    for word in rest:
        if word.startswith("-") or value_follows:
            options.append(word)
            value_follows = word in ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p")
        else:
            overrides.append(word)
    evidence = own.mlps_evidence.absolute() if own.mlps_evidence else None
    return Arguments(
        own.mlps_ranks,
        evidence,
        own.mlps_reader,
        own.mlps_generator,
        (*overrides, *options),
        _config_dir(options),
        own.mlps_cache_budget,
        not own.mlps_keep_caches,
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _config_dir(options: Sequence[str]) -> Path | None:
    """Value of ``--config-dir`` or ``-cd`` among Hydra's options."""
    for index, word in enumerate(options):
        name, equals, value = word.partition("=")
        if name in ("--config-dir", "-cd"):
            return Path(value if equals else options[index + 1]).absolute() if equals or index + 1 < len(options) else None
    return None
