"""Exact answers on disk, found again by what they hang on: the data set's hash, the queries' numbers, k and the metric."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from pytest_mlpstorage.errors import FileSystemError, ValidationError
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.vectordb.engine import Metric
from pytest_mlpstorage.vectordb.generator import Dataset, Ids, Vectors
from pytest_mlpstorage.vectordb.truth import Answers, exact_answers

__all__ = ["AnswerStore", "StoredAnswers"]

_VERSION: Final = 1
_FIELDS: Final = ("ids", "scores", "tie_ids", "tie_starts")


@dataclasses.dataclass(frozen=True)
class StoredAnswers:
    """Answers, and whether they were on disk already; ``unsaved`` is why they could not be put there."""

    answers: Answers
    found: bool
    path: Path
    unsaved: str = ""


class AnswerStore:
    """A folder of answers, ``<key>.npz`` each. What is there is never computed again; what is damaged there is computed anew."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def path_of(self, data: Dataset, numbers: Ids, k: int, metric: Metric, *, sha256: str = "") -> Path:
        """Where the answers to the queries of these numbers are or will be; ``sha256`` is the data set's, where it is known."""
        key = {
            "version": _VERSION,
            "dataset": sha256 or data.sha256(),
            "queries": data.query_identity(),
            "numbers": hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest(),
            "count": len(numbers),
            "k": k,
            "metric": metric,
        }
        text = json.dumps(key, sort_keys=True, separators=(",", ":"))
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.npz"

    def answers(
        self,
        data: Dataset,
        numbers: Ids,
        queries: Vectors,
        k: int,
        metric: Metric,
        *,
        sha256: str = "",
        compute: Callable[[Dataset, Vectors, int, Metric], Answers] = exact_answers,
    ) -> StoredAnswers:
        """The exact answers to ``queries``, which are those of the stream that have these ``numbers``.

        ``sha256`` is the hash of the data set where it is known from the load; else all rows are made to get it.
        """
        if len(numbers) != len(queries):
            raise ValueError(f"{len(numbers)} numbers of {len(queries)} queries")
        path = self.path_of(data, numbers, k, metric, sha256=sha256)
        known = _load(path, len(numbers), k)
        if known is not None:
            return StoredAnswers(known, True, path)
        made = compute(data, queries, k, metric)
        try:
            _save(path, made)
        except FileSystemError as error:  # they only save time the next time, and what was measured must not be lost for that
            return StoredAnswers(made, False, path, f"{error.message}: {error.cause}")
        return StoredAnswers(made, False, path)


def _load(path: Path, queries: int, k: int) -> Answers | None:
    """The answers of a file, or None where there is none that can be believed."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            ids, scores, tie_ids, tie_starts = (stored[name] for name in _FIELDS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    integers = all(array.dtype == np.int64 for array in (ids, tie_ids, tie_starts))
    shapes = ids.shape == scores.shape == (queries, k) and tie_starts.shape == (queries + 1,) and tie_ids.ndim == 1
    if not integers or scores.dtype != np.float64 or not shapes:
        return None
    if tie_starts[0] != 0 or tie_starts[-1] != len(tie_ids) or (np.diff(tie_starts) < 0).any() or not np.isfinite(scores).all():
        return None
    return Answers(ids, scores, tie_ids, tie_starts)


def _save(path: Path, answers: Answers) -> None:
    """Beside its place, then renamed: ranks of several hosts may write the same one at once."""
    if not np.isfinite(answers.scores).all():
        raise ValidationError("exact answers with a score that is no number are not stored", details={"path": path}, code="MLPS-E610")
    staged = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.part"[-255:])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with staged.open("wb") as file:
                np.savez(file, **{name: getattr(answers, name) for name in _FIELDS})
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise file_system_error("cannot store the exact answers", path, error) from error
