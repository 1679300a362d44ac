"""Pictures as they travel among the properties of an item: JSON that every reader takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlpstorage.results.pictures import Picture

__all__ = ["picture_objects"]


def picture_objects(pictures: Iterable[Picture]) -> list[dict[str, Any]]:
    """Pictures as they travel; of one with a figure that is not finite its words, for a chart of it would cost the whole page."""
    return [_travelling(picture) for picture in pictures]


def _travelling(picture: Picture) -> dict[str, Any]:
    written = picture.to_json()
    try:
        json.dumps(written, allow_nan=False)
    except ValueError:
        why = "Not drawn: one of its figures is larger than a number can be."
        empty = dataclasses.replace(
            picture, says=(*picture.says, why), panels=(), distributions=(), charts=(), spans=(), points=(), stacked=False
        )
        return empty.to_json()
    return written
