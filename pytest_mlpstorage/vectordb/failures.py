"""An error of a worker as words of one line of JSON, and back: the rank raises what its worker met."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage import errors
from pytest_mlpstorage.errors import BenchmarkExecutionError, MLPStorageError

__all__ = ["of_words", "words_of"]

_KINDS: Final = {
    name: kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type) and issubclass(kind, MLPStorageError)
}


def words_of(error: BaseException) -> dict[str, Any]:
    """What is told of an error."""
    if isinstance(error, MLPStorageError):
        cause = f"{type(error.cause).__name__}: {error.cause}" if error.cause is not None else ""
        details = {str(key): str(value) for key, value in error.details.items()} | ({"cause": cause} if cause else {})
        kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in _KINDS), "BenchmarkExecutionError")
        return {
            "event": "failed",
            "kind": kind,
            "message": error.message,
            "details": details,
            "suggestion": error.suggestion,
            "code": error.code,
        }
    last = traceback.extract_tb(error.__traceback__)
    where = {"where": f"{last[-1].filename}:{last[-1].lineno}"} if last else {}
    return {
        "event": "failed",
        "kind": "",
        "message": f"{type(error).__name__}: {error}",
        "details": where,
        "suggestion": "this is a fault of the suite or of an engine plug-in; the trace is in the step's stderr log",
        "code": "MLPS-E590",
    }


def of_words(said: Mapping[str, Any]) -> MLPStorageError:
    """The error that a worker told of; what nobody expected is a failed execution."""
    kind = _KINDS.get(str(said.get("kind")), BenchmarkExecutionError)
    details, code = said.get("details"), str(said.get("code"))
    return kind(
        str(said.get("message")),
        details=details if isinstance(details, Mapping) else {},
        suggestion=str(said.get("suggestion") or ""),
        code=code if code[:-2] == kind.code[:-2] and code[-2:].isdecimal() else "",
    )
