"""What an item of a result hands over besides its findings: metrics, runs and pictures, from where the result has been read already."""

from __future__ import annotations

import dataclasses

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.report.records import PICTURES, SUBJECT, Property, encode, picture_objects
from pytest_mlpstorage.report.runs import rows_of_result
from pytest_mlpstorage.results.records import StoredResult
from pytest_mlpstorage.rules.host_pictures import host_pictures
from pytest_mlpstorage.rules.kv_cache_pictures import pictures_of
from pytest_mlpstorage.rules.metrics import metrics_of

__all__ = ["record_subject"]


def record_subject(properties: list[Property], result: object, edition: Edition) -> None:
    """Add accelerator, metrics, runs and pictures of a result to an item's properties."""
    if isinstance(result, StoredResult):
        rows = [dataclasses.asdict(row) for row in rows_of_result(result, edition)]
        said = {"accelerator": result.accelerator, "metrics": metrics_of(result, edition), "runs": rows}
        properties.append((SUBJECT, encode(said)))
        if pictures := [*pictures_of(result, edition), *host_pictures(result)]:
            properties.append((PICTURES, encode(picture_objects(pictures))))
