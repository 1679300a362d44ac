"""Own limits of the vector database family, MLPS-VDB-01 to -10: what the rules name and leave open, and what lends figures a meaning.

They stand under no official id. Values and weights come from the configuration; they can fail an item and change no category.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlpstorage.verdict import Severity

__all__ = ["OWN", "Threshold", "ThresholdSection", "thresholds_of"]

Weight = Literal["error", "warning", "info"]


class ThresholdSection(BaseModel):
    """``vectordb.thresholds``: the limits, and with ``severity`` how much each weighs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    recall_min: Annotated[float, Field(ge=0, le=1, description="MLPS-VDB-01: least mean recall@k against exact answers")] = 0.90
    min_queries: Annotated[int, Field(ge=0, description="MLPS-VDB-02: fewest searches of the steady phase, all processes together")] = (
        10_000
    )
    min_reads_per_query: Annotated[
        float, Field(ge=0, description="MLPS-VDB-03: fewest reads of 4 KiB a query; below, storage was not measured")
    ] = 1.0
    failed_max: Annotated[int, Field(ge=0, description="MLPS-VDB-04: most searches that failed or came back short")] = 0
    contrast_min: Annotated[float, Field(ge=0, description="MLPS-VDB-05: least contrast of data and queries")] = 1.5
    working_set_ratio_min: Annotated[
        float, Field(ge=0, description="MLPS-VDB-06: least size of the index over the memory of the host, for engines that read through it")
    ] = 2.0
    run_cv_max: Annotated[float, Field(ge=0, description="MLPS-VDB-07: largest coefficient of variation of the rates of the runs")] = 0.10
    cold_proof: Annotated[
        Literal["required", "if-root", "no"], Field(description="MLPS-VDB-08: whether a cold phase must be proved cold")
    ] = "required"
    severity: Annotated[
        dict[Annotated[str, Field(pattern=r"^MLPS-VDB-(0[1-9]|10)$")], Weight],
        Field(description="Weights that are not the default: {MLPS-VDB-05: error}"),
    ] = Field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Threshold:
    """One own limit as it is in effect. ``source`` is default or configured."""

    id: str
    name: str
    value: Any
    severity: Severity
    source: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``mlps.thresholds``."""
        return {"id": self.id, "value": self.value, "severity": self.severity.value, "source": self.source}


OWN: Final[Mapping[str, tuple[str, Severity]]] = {
    "MLPS-VDB-01": ("recall_min", Severity.ERROR),
    "MLPS-VDB-02": ("min_queries", Severity.ERROR),
    "MLPS-VDB-03": ("min_reads_per_query", Severity.ERROR),
    "MLPS-VDB-04": ("failed_max", Severity.ERROR),
    "MLPS-VDB-05": ("contrast_min", Severity.WARNING),
    "MLPS-VDB-06": ("working_set_ratio_min", Severity.WARNING),
    "MLPS-VDB-07": ("run_cv_max", Severity.INFO),
    "MLPS-VDB-08": ("cold_proof", Severity.WARNING),
    "MLPS-VDB-09": ("rows_exact", Severity.ERROR),
    "MLPS-VDB-10": ("params_effective", Severity.WARNING),
}
"""Name and default weight of each."""


def thresholds_of(section: ThresholdSection, *, claims: bool) -> dict[str, Threshold]:
    """Every limit by its id. Where a result ``claims`` something (closed and open), parameters that did not take effect are an error."""
    plain = ThresholdSection()
    found = {}
    for number, (name, weight) in OWN.items():
        value = getattr(section, name, True)
        default = Severity.ERROR if number == "MLPS-VDB-10" and claims else weight
        chosen = section.severity.get(number)
        configured = chosen is not None or value != getattr(plain, name, True)
        severity = default if chosen is None else Severity(chosen)
        found[number] = Threshold(number, name, value, severity, "configured" if configured else "default")
    return found
