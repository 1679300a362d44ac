"""Own limits of the vector database family as a configuration sets them (see :mod:`pytest_mlpstorage.results.vector_limits`).

They stand under no official id. Values and weights come from the configuration; they can fail an item and change no category.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlpstorage.results.vector_limits import DEFAULTS, Threshold
from pytest_mlpstorage.verdict import Severity

__all__ = ["ThresholdSection", "thresholds_of"]

Weight = Literal["error", "warning", "info"]

_OWN: Final[dict[str, Any]] = {name: limit.value for name, limit in DEFAULTS.items()}


class ThresholdSection(BaseModel):
    """``vectordb.thresholds``: the limits, and with ``severity`` how much each weighs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    recall_min: Annotated[float, Field(ge=0, le=1, description="MLPS-VDB-01: least mean recall@k")] = _OWN["recall_min"]
    min_queries: Annotated[int, Field(ge=0, description="MLPS-VDB-02: fewest searches of the steady phase, of all processes")] = _OWN[
        "min_queries"
    ]
    min_reads_per_query: Annotated[
        float, Field(ge=0, description="MLPS-VDB-03: fewest reads of 4 KiB a query; below, storage was not measured")
    ] = _OWN["min_reads_per_query"]
    failed_max: Annotated[int, Field(ge=0, description="MLPS-VDB-04: most searches that failed or came back short")] = _OWN["failed_max"]
    contrast_min: Annotated[float, Field(ge=0, description="MLPS-VDB-05: least contrast of data and queries")] = _OWN["contrast_min"]
    working_set_ratio_min: Annotated[
        float, Field(ge=0, description="MLPS-VDB-06: least size of the index over the memory of the host, for engines that read through it")
    ] = _OWN["working_set_ratio_min"]
    run_cv_max: Annotated[float, Field(ge=0, description="MLPS-VDB-07: largest coefficient of variation of the runs' rates")] = _OWN[
        "run_cv_max"
    ]
    cold_proof: Annotated[
        Literal["required", "if-root", "no"], Field(description="MLPS-VDB-08: whether a cold phase must be proved cold")
    ] = _OWN["cold_proof"]
    severity: Annotated[
        dict[Annotated[str, Field(pattern=r"^MLPS-VDB-(0[1-9]|10)$")], Weight],
        Field(description="Weights that are not the default: {MLPS-VDB-05: error}"),
    ] = Field(default_factory=dict)


def thresholds_of(section: ThresholdSection, *, claims: bool) -> dict[str, Threshold]:
    """Every limit by its id. Where a result ``claims`` something (closed and open), parameters that did not take effect are an error."""
    found = {}
    for name, limit in DEFAULTS.items():
        default = dataclasses.replace(limit, severity=Severity.ERROR) if limit.id == "MLPS-VDB-10" and claims else limit
        value, chosen = getattr(section, name, limit.value), section.severity.get(limit.id)
        severity = default.severity if chosen is None else Severity(chosen)
        configured = chosen is not None or value != limit.value
        found[limit.id] = dataclasses.replace(default, value=value, severity=severity, source="configured" if configured else "default")
    return found
