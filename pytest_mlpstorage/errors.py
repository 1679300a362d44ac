"""The error hierarchy: each error says what happened, with what, and what to do next."""

from __future__ import annotations

import errno
from collections.abc import Mapping

__all__ = [
    "BenchmarkExecutionError",
    "ConfigurationError",
    "DependencyError",
    "EngineError",
    "EngineUnavailableError",
    "FileSystemError",
    "MLPStorageError",
    "MPIError",
    "ValidationError",
    "code_of_os",
]


class MLPStorageError(Exception):
    """Root of all errors that a user is meant to read.

    ``details`` are shown one a line as ``key: value``; ``suggestion`` is the next thing to try; ``cause`` is the
    exception underneath, whose text is appended. ``code`` is one of ``error_codes.yaml``, of the kind of the class.
    """

    code = "MLPS-E000"

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, object] | None = None,
        suggestion: str = "",
        cause: BaseException | None = None,
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.message = message
        self.details = dict(details or {})
        self.suggestion = suggestion
        self.cause = cause
        if cause is not None:
            self.__cause__ = cause

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.message}"]
        lines += [f"  {key}: {value}" for key, value in self.details.items()]
        if self.cause is not None:
            lines.append(f"  cause: {type(self.cause).__name__}: {self.cause}")
        if self.suggestion:
            lines.append(f"  next: {self.suggestion}")
        return "\n".join(lines)


class ConfigurationError(MLPStorageError):
    """What the user wrote (option, YAML, environment) cannot be used."""

    code = "MLPS-E100"


class DependencyError(MLPStorageError):
    """A program or package that this step needs is missing or of the wrong kind."""

    code = "MLPS-E200"


class EngineUnavailableError(DependencyError):
    """A vector database cannot be used here: its package is not installed, or does not load."""

    code = "MLPS-E210"


class MPIError(MLPStorageError):
    """The launcher, the hosts or the number of ranks are not what was asked for."""

    code = "MLPS-E300"


class FileSystemError(MLPStorageError):
    """A path is missing, full, locked, unwritable or of the wrong kind."""

    code = "MLPS-E400"


class BenchmarkExecutionError(MLPStorageError):
    """A run was started and did not end as a run must."""

    code = "MLPS-E500"


class EngineError(BenchmarkExecutionError):
    """A vector database refused or failed a call."""

    code = "MLPS-E510"


class ValidationError(MLPStorageError):
    """A record on disk is not what its format says."""

    code = "MLPS-E600"


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG})


def code_of_os(error: OSError) -> str:
    """The code of a FileSystemError for what the kernel said: no space, forbidden, not there, or a failed call."""
    if error.errno in _NO_SPACE:
        return "MLPS-E410"
    if error.errno in _FORBIDDEN:
        return "MLPS-E411"
    return "MLPS-E412" if error.errno in _NOT_THERE else "MLPS-E413"
