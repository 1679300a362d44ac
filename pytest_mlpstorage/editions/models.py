"""Training of an edition: workload templates, limits, allow-lists (rules.md §3.1, §3.4)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from pytest_mlpstorage.editions.base import Data, Frozen, Parameters, RunGap, nearest
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import plain
from pytest_mlpstorage.verdict import Category, Division

__all__ = ["SizingRules", "TrainingEdition", "WorkloadTemplate"]


class WorkloadTemplate(Data):
    """The official parameters of one model on one accelerator.

    ``parameters`` are nested as in a workload file (``dataset.record_length_bytes`` is ``parameters["dataset"][...]``)
    and read-only. ``status``: ``sanctioned`` in closed and open, ``whatif`` only for experiments, ``superseded`` an older
    preview that nothing offers. ``verified_hash``: these values reproduce a published core-config hash. ``unknown`` is the
    reason why the template has no values (then ``parameters`` is empty). ``provenance`` says where doubtful values come from.
    """

    model: str
    accelerator: str
    status: Literal["sanctioned", "whatif", "superseded"]
    verified_hash: bool = False
    unknown: str = ""
    provenance: str = ""
    parameters: Parameters = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The workload name that DLIO is given, such as ``unet3d_b200``."""
        return f"{self.model}_{self.accelerator}"

    def copy_parameters(self) -> dict[str, Any]:
        """Copy the parameters into plain dicts and lists that the caller may change."""
        return dict(plain(self.parameters))


class SizingRules(Data):
    """The constants of the two data set floors (rules.md §4.1, §4.2).

    ``config_steps``: ``train.total_training_steps`` replaces ``minimum_steps`` where present. ``accepted_fraction`` of the
    floor passes the rule; ``whole_gib_per_host``: verdicts floor the memory of each host to GiB (V1-9).
    """

    minimum_steps: int
    memory_multiple: int
    rounding: Literal["ceil", "floor"]
    accepted_fraction: float
    config_steps: bool
    whole_gib_per_host: bool
    subfolders: int


class TrainingEdition(Data):
    """Everything an edition says about training.

    Shapes: ``templates`` maps ``(model, accelerator)``; ``au_minimum`` maps a model to a fraction (a model without one is
    judged by DLIO's verdict alone). ``closed_keys`` and ``open_keys`` are dotted official keys, the open ones *added* to the
    closed ones; ``injected_keys`` are set by the tool and never counted; keys that start with one of ``unjudged_prefixes``
    neither. ``run_directories`` = ``warmup_runs`` + ``measured_runs``. A limit of None is no limit in this edition.
    """

    models_by_division: Frozen[Division, tuple[str, ...]]
    accelerators_by_division: Frozen[Division, tuple[str, ...]]
    templates: Frozen[tuple[str, str], WorkloadTemplate]
    datagen: Frozen[str, Parameters]
    au_minimum: Frozen[str, float]
    warmup_runs: int
    measured_runs: int
    run_directories: int
    run_gap: RunGap
    record_key: Literal["record_length", "record_length_bytes"]
    sizing: SizingRules
    closed_keys: tuple[str, ...]
    open_keys: tuple[str, ...]
    injected_keys: tuple[str, ...]
    unjudged_prefixes: tuple[str, ...]
    object_storage_keys: tuple[str, ...]
    odirect_models: tuple[str, ...]
    prefetch_sizes: tuple[int, ...]
    min_accelerators_single_host: int | None
    host_gb_per_accelerator: float | None
    node_capability_ratio: float | None
    identical_hosts_tolerance: float | None
    checkpoint_required_models: tuple[str, ...]

    def models_for(self, division: Division) -> tuple[str, ...]:
        """Models that the division accepts."""
        return self.models_by_division[division]

    def accelerators_for(self, division: Division) -> tuple[str, ...]:
        """Accelerators that the division accepts."""
        return self.accelerators_by_division[division]

    def workloads_for(self, division: Division) -> tuple[tuple[str, str], ...]:
        """(model, accelerator) pairs that can be run in the division: accepted, published and known."""
        return tuple(pair for pair in self.templates if self.why_not(*pair, division) is None)

    def why_not(self, model: str, accelerator: str, division: Division) -> str | None:
        """Why the pair cannot be run in the division, with the nearest allowed names; None when it can."""
        for what, word, table in (("model", model, self.models_by_division), ("accelerator", accelerator, self.accelerators_by_division)):
            if word not in table[division]:
                elsewhere = [d.value for d in Division if word in table[d]]
                where = f" (only in {', '.join(elsewhere)})" if elsewhere else ""
                return f"{what} {word!r} is not in division {division.value}{where}; {nearest(word, table[division])}"
        missing = self._why_no_template(model, accelerator)
        if missing:
            return missing
        template = self.templates[model, accelerator]
        if division is not Division.WHATIF and template.status != "sanctioned":
            return f"{template.name} is only in division whatif; {nearest(model, self.models_by_division[division])}"
        return None

    def template(self, model: str, accelerator: str) -> WorkloadTemplate:
        """Return the template of the pair, whatever the division; ConfigurationError names what is near or why it is unknown."""
        reason = self._why_no_template(model, accelerator)
        if reason:
            raise ConfigurationError(
                f"no training template {model}_{accelerator}: {reason}", suggestion="choose one of these", code="MLPS-E114"
            )
        return self.templates[model, accelerator]

    def _why_no_template(self, model: str, accelerator: str) -> str | None:
        usable = {pair: t for pair, t in self.templates.items() if not t.unknown and t.status != "superseded"}
        template = self.templates.get((model, accelerator))
        names = sorted(t.name for t in usable.values())
        if template is None:
            near = difflib.get_close_matches(f"{model}_{accelerator}".lower(), names, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            return f"{model} on {accelerator} has no template in this edition; allowed: {', '.join(names)}{guess}"
        if template.unknown:
            return f"{model} on {accelerator} is unknown: {template.unknown}"
        if template.status == "superseded":
            return f"{model} on {accelerator} is superseded ({template.provenance}); allowed: {', '.join(names)}"
        return None

    def key_category(self, key: str) -> Category:
        """Say what overriding an official key makes of a run: CLOSED, OPEN, or INVALID for a key in no list (3.6.2, 3.6.3, RC-TRN-4)."""
        if key.startswith(self.unjudged_prefixes) or key in self.injected_keys or key in self.closed_keys:
            return Category.CLOSED
        return Category.OPEN if key in self.open_keys else Category.INVALID

    def datagen_parameters(self, model: str) -> Mapping[str, Any]:
        """Dotted official keys that the edition's datagen template of the model sets differently from its run template."""
        return self.datagen.get(model, {})
