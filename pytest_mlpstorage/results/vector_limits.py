"""Own limits MLPS-VDB-01 to -10 of vector databases: what the rules name and leave open, and what lends figures a meaning.

They stand under no official id. A run is measured with the limits of its configuration and records them, so that whoever reviews it sees
what it was held against, and where that was less than these defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.results.coerce import integer, number
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.verdict import Severity

__all__ = ["COLD_PROOFS", "DEFAULTS", "Threshold", "by_id", "recorded"]

COLD_PROOFS: Final = ("required", "if-root", "no")
"""What can be wanted of a cold phase, the strictest first."""


@dataclasses.dataclass(frozen=True)
class Threshold:
    """One own limit as it is in effect. ``source`` is default or configured."""

    id: str
    name: str
    value: Any
    severity: Severity
    source: str = "default"

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``mlps.thresholds``."""
        return {"id": self.id, "value": self.value, "severity": self.severity.value, "source": self.source}


DEFAULTS: Final[Mapping[str, Threshold]] = {
    name: Threshold(f"MLPS-VDB-{number:02}", name, value, severity)
    for number, (name, value, severity) in enumerate(
        (
            ("recall_min", 0.90, Severity.ERROR),
            ("min_queries", 10_000, Severity.ERROR),
            ("min_reads_per_query", 1.0, Severity.ERROR),
            ("failed_max", 0, Severity.ERROR),
            ("contrast_min", 1.5, Severity.WARNING),
            ("working_set_ratio_min", 2.0, Severity.WARNING),
            ("run_cv_max", 0.10, Severity.INFO),
            ("cold_proof", "required", Severity.WARNING),
            ("rows_exact", True, Severity.ERROR),
            ("params_effective", True, Severity.WARNING),
        ),
        1,
    )
}
"""Every limit by its name in the configuration. Values are of this suite, and rest on measurements of one machine."""


def by_id(id: str) -> Threshold:
    """The default of the limit with an id."""
    return next(limit for limit in DEFAULTS.values() if limit.id == id)


def recorded(summary: object, id: str) -> Threshold:
    """The limit that a leaf says it was held against; the default where it says nothing that could be one."""
    default = by_id(id)
    raw = value_at(summary, f"mlps.thresholds.{default.name}")
    if not isinstance(raw, Mapping):
        return default
    value, severity = _value(default.value, raw.get("value")), raw.get("severity")
    weight = {each.value: each for each in Severity}.get(severity, default.severity) if isinstance(severity, str) else default.severity
    return Threshold(id, default.name, value, weight, "configured" if (value, weight) != (default.value, default.severity) else "default")


def _value(default: Any, given: object) -> Any:
    """The value that was recorded, of the kind of the default; the default for what cannot be one."""
    if isinstance(default, bool):
        return default
    if isinstance(default, str):
        return given if given in COLD_PROOFS else default
    found = integer(given) if isinstance(default, int) else number(given)
    return default if found is None else found
