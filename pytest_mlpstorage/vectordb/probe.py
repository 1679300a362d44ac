"""``python -m pytest_mlpstorage.vectordb.probe ENGINE``: whether an engine's package loads, and whether its server answers.

What is asked comes as one JSON object on standard input; the last line of standard output is the answer, an error's words among them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mlpstorage.errors import ConfigurationError, EngineError, EngineUnavailableError, MLPStorageError
from pytest_mlpstorage.vectordb.engine import Engine, IndexSpec
from pytest_mlpstorage.vectordb.failures import words_of
from pytest_mlpstorage.vectordb.registry import engine

__all__ = ["main", "probed"]


def probed(name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and capabilities of an engine. Raises what the engine raises: its package is not there, say.

    With ``where`` its server is asked for the collection of ``spec``: ``there`` says whether it has it, and ``attach`` holds the words of
    the error where it does not. One with a cause below it never got through to the server. With ``drop`` a collection that is there is
    removed, and ``dropped`` says so.
    """
    found = engine(name)
    can = found.capabilities()
    where = str(asked.get("where") or "")
    if can.form == "server" and not where and found.server() is None:
        raise ConfigurationError(
            f"the suite cannot start a server of {name}",
            suggestion="give the address of one that runs: uri in its entry of vectordb.workloads",
            code="MLPS-E160",
        )
    answer: dict[str, Any] = {"version": dict(found.version()), "families": sorted(can.families), "form": can.form}
    if where:
        try:
            answer |= _collection(found, IndexSpec(**asked["spec"]), where)
            if asked.get("drop") and answer["there"]:
                found.drop()
                answer["dropped"] = True
        finally:
            found.close()
    return answer


def _collection(found: Engine, spec: IndexSpec, where: str) -> dict[str, Any]:
    try:
        found.attach(spec, where)
    except EngineUnavailableError:
        raise
    except EngineError as error:
        return {"there": False, "attach": words_of(error)}
    return {"there": True, "attach": None}


def main(argv: Sequence[str] | None = None) -> int:
    """Answer, and end with 0 whatever the answer is."""
    (name,) = sys.argv[1:] if argv is None else argv
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        answer = probed(name, json.loads(sys.stdin.read() or "{}"))
    except MLPStorageError as error:
        answer = words_of(error)
    said.write(json.dumps(answer) + "\n")
    said.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
