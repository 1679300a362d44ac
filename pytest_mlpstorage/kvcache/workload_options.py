"""What OPEN may set of the work beyond its keys, with the sanctioned values as defaults (kvcache.md §1.5, §1.6, §1.8).

Apart from the reader of the file, which a rank has no need of: it gets these options as JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.kvcache.documents import RAGOptions
from pytest_mlpstorage.kvcache.models import MODELS, KVModel
from pytest_mlpstorage.kvcache.policy import EvictionLimits
from pytest_mlpstorage.kvcache.population import TEMPLATES, QoSShares, Template
from pytest_mlpstorage.kvcache.schedule import FloodOptions

__all__ = ["RAGOptions", "WorkloadConfig"]

_GENERATION_SECONDS: Final = {"none": 0.0, "fast": 0.002, "realistic": 0.030}


@dataclasses.dataclass(frozen=True)
class WorkloadConfig:
    """What the file says of the work; the defaults are the sanctioned ones. ``generation_seconds`` are per token and mode.

    ``honoured``: given keys without effect in the official code that have one here. ``without_effect``: given keys without effect here.
    """

    templates: tuple[Template, ...] = TEMPLATES
    shares: QoSShares = dataclasses.field(default_factory=QoSShares)
    eviction: EvictionLimits = dataclasses.field(default_factory=EvictionLimits)
    decode_batch: int = 32
    prefix_probability: float = 0.2
    rag: RAGOptions = dataclasses.field(default_factory=RAGOptions)
    max_conversations: int = 1000
    max_turns: int = 50
    end_conversation_probability: float = 0.2
    generation_seconds: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(_GENERATION_SECONDS))
    models: Mapping[str, KVModel] = dataclasses.field(default_factory=lambda: dict(MODELS))
    honoured: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()

    def flood(self, **changes: Any) -> FloodOptions:
        """The request stream of this file; ``changes`` are what the user's own keys say over it."""
        options = FloodOptions(
            # 1 - 0.2 is 0.8 and nothing beside it: the checksum shows the number.
            continue_probability=round(1 - self.end_conversation_probability, 12),
            max_turns=self.max_turns,
            prefix_probability=self.prefix_probability,
            rag_probability=self.rag.request_probability,
        )
        return dataclasses.replace(options, **changes)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, for a rank's job file."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> WorkloadConfig:
        """Back from what ``to_json`` gave."""
        return cls(
            **{
                **raw,
                "templates": tuple(_template(entry) for entry in raw["templates"]),
                "shares": QoSShares(**raw["shares"]),
                "eviction": EvictionLimits(**raw["eviction"]),
                "rag": RAGOptions(**raw["rag"]),
                "models": {key: KVModel(**entry) for key, entry in raw["models"].items()},
                "honoured": tuple(raw["honoured"]),
                "without_effect": tuple(raw["without_effect"]),
            }
        )


def _template(raw: Mapping[str, Any]) -> Template:
    return Template(raw["name"], *(tuple(raw[key]) for key in ("context_tokens", "generate_tokens", "think_seconds")))
