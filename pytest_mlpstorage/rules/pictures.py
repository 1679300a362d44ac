"""All pictures of a result, whatever its family: what was measured, then what was done and what the hosts did over time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

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

_LONGEST: Final = 120
"""Letters that are told of an error, which may quote what somebody wrote."""

_FAMILIES = (
    (training_pictures, training_activities),
    (checkpointing_pictures, checkpointing_activities),
    (kv_cache_pictures, kv_cache_activities),
    (vector_pictures, vector_activities),
)


_Made = TypeVar("_Made")


def pictures_of(result: StoredResult, edition: Edition, *, page: bool = True) -> list[Picture]:
    """What there is to show of a result: the charts of its family, then each launch over time with its hosts below.

    Where no ``page`` is written, those that only a page shows are not made: what they read takes most of a second a run.

    Pictures decide nothing, so figures of a foreign tree that no arithmetic takes cost the picture that is made of them and leave a line
    in its place; all other errors are those of the program, and raise.
    """
    lines: list[Picture] = []
    if not page:
        return [*_tried(lambda: kv_cache_pictures(result, edition), "What was measured", lines, folded=False), *lines]
    pictures = []
    for measured in (*(measured for measured, _ in _FAMILIES), official_pictures):
        folded = measured is not kv_cache_pictures  # whose sentences the terminal shows too
        pictures += _tried(partial(measured, result, edition), "What was measured", lines, folded=folded)
    activities = []
    for _, done in _FAMILIES:
        activities += _tried(partial(done, result, edition), "What was done over time", lines)
    launches = _tried(lambda: launch_pictures(result, activities), "The hosts over time", lines)
    return [*pictures, *lines, *launches]


def _tried(make: Callable[[], list[_Made]], what: str, lines: list[Picture], *, folded: bool = True) -> list[_Made]:
    """What ``make`` gives; nothing, and one more of ``lines`` in words, where a figure that it reads makes it raise."""
    try:
        return make()
    except (ArithmeticError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"[:_LONGEST]
        said = f"Not drawn: a figure in the files of this result allows no picture ({why})."
        lines.append(Picture(what, (said,), folded=folded, opened=folded))
        return []
