"""Run the contract suite on engines by name: ``python -m pytest_mlpstorage.vectordb_contract NAME… [options of pytest]``."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "each engine keeps the contract",
    "1": "one does not, or is not installed",
    "4": "wrong use: no engine is named first, or an option that pytest does not know",
    "another": "that of pytest",
}

_USAGE = "python -m pytest_mlpstorage.vectordb_contract ENGINE… [--vectordb-family TOKEN] [--vectordb-where ENGINE=ADDRESS] [of pytest]"


def main(argv: list[str]) -> int:
    """Give the exit code of pytest, which shows the options with ``--help``; 4 where no engine is named."""
    engines = list(itertools.takewhile(lambda word: not word.startswith("-"), argv))
    if not engines and not {"-h", "--help"} & set(argv):
        sys.stderr.write(f"usage: {_USAGE}\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    folder = Path(__file__).parent
    plugins = ["-p", "pytest_mlpstorage.vectordb_contract.options", "-p", "no:cacheprovider"]
    # The settings of the project in whose folder it is started are not its own.
    own = ["-c", str(folder / "pytest.ini"), f"--rootdir={folder}", "--import-mode=importlib"]
    chosen = [word for engine in engines for word in ("--vectordb-engine", engine)]
    return int(pytest.main([*plugins, *own, str(folder), *chosen, *argv[len(engines) :]]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
