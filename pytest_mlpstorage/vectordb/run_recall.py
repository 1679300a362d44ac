"""The recall of a run: what the workers answered first in each phase, against the exact answers to the same queries."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.vectordb.answer_store import AnswerStore
from pytest_mlpstorage.vectordb.job import ANSWERS
from pytest_mlpstorage.vectordb.queries import queries_of
from pytest_mlpstorage.vectordb.truth import Answers, exact_answers, recall_by_query

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.engine import Metric
    from pytest_mlpstorage.vectordb.generator import Dataset, Vectors
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["PhaseRecall", "Recalls", "recall_of_phases"]


@dataclasses.dataclass(frozen=True)
class PhaseRecall:
    """Recall of one phase: mean of the exact, the same with ties, least and most of a query.

    ``found``: the exact answers were stored before; ``unsaved``: why they could not be stored now.
    """

    exact: float
    with_ties: float
    least: float
    most: float
    queries: int
    found: bool
    unsaved: str = ""


@dataclasses.dataclass(frozen=True)
class Recalls:
    """By phase; one without a search that succeeded has none."""

    phases: Mapping[str, PhaseRecall]


def recall_of_phases(job: VectorJob, data: Dataset, tell: Callable[[float], None]) -> Recalls:
    """Compare the answers that the workers left with the exact ones; ValidationError for a damaged file."""
    store = AnswerStore(job.store_dir)

    def compute(base: Dataset, queries: Vectors, k: int, metric: Metric) -> Answers:
        return exact_answers(base, queries, k, metric, tell=tell)

    found = {}
    for name in job.phases:
        numbers, ids = _answered(Path(job.output_dir) / ANSWERS, name, job.k)
        if not len(numbers):
            continue
        # In the order of the queries: which worker was asked first does not change what is stored.
        unique, place = np.unique(numbers, return_inverse=True)
        stored = store.answers(data, unique, queries_of(data, unique), job.k, job.spec.metric, sha256=job.dataset_sha256, compute=compute)
        answers = stored.answers.take(place)
        exact, ties = recall_by_query(answers, ids), recall_by_query(answers, ids, ties=True)
        means = float(exact.mean()), float(ties.mean())
        found[name] = PhaseRecall(*means, float(exact.min()), float(exact.max()), len(numbers), stored.found, stored.unsaved)
    return Recalls(found)


def _answered(folder: Path, phase: str, k: int) -> tuple[Any, Any]:
    """Numbers and ids of all workers of a phase."""
    numbers, ids = [np.empty(0, np.int64)], [np.empty((0, k), np.int64)]
    for path in sorted(folder.glob("answers-*.npz")):
        try:
            with np.load(path, allow_pickle=False) as stored:
                numbers.append(stored[f"{phase}_numbers"])
                ids.append(stored[f"{phase}_ids"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValidationError(
                "the answers of a worker cannot be read", details={"file": path}, cause=error, code="MLPS-E610"
            ) from error
    return np.concatenate(numbers), np.concatenate(ids)
