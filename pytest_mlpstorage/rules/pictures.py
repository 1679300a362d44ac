"""All pictures of a result, whatever its family: what was measured, then what was done and what the hosts did over time."""

from __future__ import annotations

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.pictures import Picture
from pytest_mlpstorage.results.records import StoredResult
from pytest_mlpstorage.rules.checkpointing_pictures import checkpointing_activities, checkpointing_pictures
from pytest_mlpstorage.rules.host_pictures import launch_pictures
from pytest_mlpstorage.rules.kv_cache_official_pictures import official_pictures
from pytest_mlpstorage.rules.kv_cache_pictures import kv_cache_activities, kv_cache_pictures
from pytest_mlpstorage.rules.training_pictures import training_activities, training_pictures
from pytest_mlpstorage.rules.vector_pictures import vector_activities, vector_pictures

__all__ = ["pictures_of"]

_FAMILIES = (
    (training_pictures, training_activities),
    (checkpointing_pictures, checkpointing_activities),
    (kv_cache_pictures, kv_cache_activities),
    (vector_pictures, vector_activities),
)


def pictures_of(result: StoredResult, edition: Edition, *, page: bool = True) -> list[Picture]:
    """What there is to show of a result: the charts of its family, then each launch over time with its hosts below.

    Where no ``page`` is written, those that only a page shows are not made: what they read takes most of a second a run.
    """
    if not page:
        return kv_cache_pictures(result, edition)
    pictures = [picture for measured, _ in _FAMILIES for picture in measured(result, edition)]
    pictures += official_pictures(result, edition)
    activities = [activity for _, done in _FAMILIES for activity in done(result, edition)]
    return [*pictures, *launch_pictures(result, activities)]
