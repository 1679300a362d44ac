"""The columns of the organisation's table that a system description fills (§4.4 of the rule book's digest)."""

from __future__ import annotations

from typing import Any, Final

from pytest_mlpstorage.results.coerce import boolean, number
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.results.system_draft import MARK

__all__ = ["description_columns"]

_PROTOCOLS: Final = {"file": "POSIX", "object": "S3"}
_AVAILABILITY: Final = {"available": "Available", "preview": "Preview", "RDI": "RDI"}
_SOLUTION: Final = "system_under_test.solution"


def description_columns(description: SystemDescription) -> dict[str, Any]:
    """Column → value, of what the description says; what it does not say, or not in the schema's words, is absent."""
    figures = {
        "RU's": number(description.value("system_under_test.total_rack_units")),
        "Integrated Client Storage (TiB)": number(description.value(f"{_SOLUTION}.int_client_store_tib")),
        "Usable Capacity (TiB)": number(description.value(f"{_SOLUTION}.usable_capacity_tib")),
    }
    words = {
        "Description": _text(description, f"{_SOLUTION}.friendly_description"),
        "Type": _type(description),
        "Access Protocol": _PROTOCOLS.get(_text(description, f"{_SOLUTION}.architecture.benchmark_API"), ""),
        "Availability": _AVAILABILITY.get(_text(description, f"{_SOLUTION}.availability"), ""),
    }
    return {**{k: v for k, v in words.items() if v}, **{k: _whole(v) for k, v in figures.items() if v is not None}}


def _type(description: SystemDescription) -> str:
    """Whether it is shared, where the storage stands and what it speaks; nothing where one of these is not said."""
    flags = [boolean(description.value(f"{_SOLUTION}.capabilities.simultaneous_{what}")) for what in ("write", "read")]
    place, api = (_text(description, f"{_SOLUTION}.architecture.{key}") for key in ("storage_location", "product_API"))
    if None in flags or not place or not api:
        return ""
    return f"{'Shared' if all(flags) else 'Failover'} {place.replace('_', ' ')} {api}"


def _text(description: SystemDescription, dotted: str) -> str:
    value = description.value(dotted)
    return value.strip() if isinstance(value, str) and not value.lstrip().lower().startswith(MARK) else ""


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value
