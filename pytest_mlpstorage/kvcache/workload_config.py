"""Reader of the official tool's ``config.yaml`` as OPEN input of our work (kvcache.md §1.8).

Unknown keys are errors, all told together with their places. Keys that do nothing in the official code are named: those that do
something here, and those that do nothing here either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from pytest_mlpstorage.config.document import read_document
from pytest_mlpstorage.config.problems import Problems
from pytest_mlpstorage.config.tree import Fields, Node, leaves
from pytest_mlpstorage.kvcache.models import MODELS, KVModel
from pytest_mlpstorage.kvcache.policy import EvictionLimits
from pytest_mlpstorage.kvcache.population import TEMPLATES, QoSShares
from pytest_mlpstorage.kvcache.workload_keys import FREE_SECTIONS, HONOURED, KEYS, MODEL_KEYS, MODEL_SECTION, UNUSED, Value
from pytest_mlpstorage.kvcache.workload_options import RAGOptions, WorkloadConfig

__all__ = ["RAGOptions", "WorkloadConfig", "read_workload_config"]

_NEW_MODEL: Final = ("num_layers", "hidden_dim", "num_heads")
_COMPRESSED: Final = ("kv_lora_rank", "qk_rope_head_dim")


def read_workload_config(path: Path) -> WorkloadConfig:
    """The file's settings; ConfigurationError with every error in it, each with its place, the key and the nearest known key."""
    problems = Problems()
    document = read_document(path, path.name, problems)
    found: dict[str, Value] = {}
    ignored: list[str] = []
    models = dict(MODELS)
    if document is not None:
        for name, entry in document.entries.items():
            if name in FREE_SECTIONS:
                ignored += [key for key, _ in leaves(entry.node, name)]
            elif name == MODEL_SECTION:
                _read_models(entry.node, models, problems)
            else:
                _read_section(document, name, found, problems)
        _refuse_contradictions(document, found, problems)
    problems.raise_if_any()
    return _config(found, models, ignored)


def _read_section(document: Fields, name: str, found: dict[str, Value], problems: Problems) -> None:
    known = (*KEYS, *{key.partition(".")[0] for key in KEYS}, *FREE_SECTIONS, MODEL_SECTION)
    for key, node, origin in _flat(document, name):
        kind = KEYS.get(key)
        if kind is None:
            inner = any(other.startswith(f"{key}.") for other in KEYS)
            if inner:
                problems.bad_value(key, node, "a mapping")
            else:
                problems.add(origin, key, "no key of this file", word=key, candidates=known)
            continue
        value = kind.read(node)
        if value is None:
            problems.bad_value(key, node, kind.allowed)
        else:
            found[key] = value


def _flat(fields: Fields, *names: str, prefix: str = "") -> Iterator[tuple[str, Node, Any]]:
    """Keys below a mapping with node and place of the key: down to known keys, and to the first part that no known key begins with."""
    for name in names or fields.entries:
        entry, key = fields.entries[name], prefix + name
        inner = any(other.startswith(f"{key}.") for other in KEYS)
        if inner and isinstance(entry.node, Fields):
            yield from _flat(entry.node, prefix=f"{key}.")
        else:
            yield key, entry.node, entry.key_origin


def _refuse_contradictions(document: Fields, found: Mapping[str, Value], problems: Problems) -> None:
    """Pairs of which the second, or its default, may not be below the first."""
    rag, shares = RAGOptions(), QoSShares()
    pairs = (
        (
            "qos_distribution.interactive_probability",
            shares.interactive_below,
            "qos_distribution.responsive_threshold",
            shares.responsive_below,
        ),
        *(
            (f"rag.{size}_model_doc_tokens_min", getattr(rag, f"{size}_model_doc_tokens_min"), most, getattr(rag, most.partition(".")[2]))
            for size in ("small", "large")
            for most in (f"rag.{size}_model_doc_tokens_max",)
        ),
    )
    for low, low_default, high, high_default in pairs:
        least, most = cast("float", found.get(low, low_default)), cast("float", found.get(high, high_default))
        if least > most:
            given = low if low in found else high
            section = document.entries[given.partition(".")[0]].node
            origin = cast("Fields", section).entries[given.partition(".")[2]].key_origin
            problems.add(origin, given, f"{low} is {least} and {high} is {most}; allowed are a first that is not over the second")


def _read_models(node: Node, models: dict[str, KVModel], problems: Problems) -> None:
    if not isinstance(node, Fields):
        problems.bad_value(MODEL_SECTION, node, "a mapping")
        return
    for name, entry in node.entries.items():
        where = f"{MODEL_SECTION}.{name}"
        if not isinstance(entry.node, Fields):
            problems.bad_value(where, entry.node, "a mapping")
            continue
        columns: dict[str, Any] = {}
        before = len(problems)
        for column, value in entry.node.entries.items():
            kind = MODEL_KEYS.get(column)
            if kind is None:
                problems.add(value.key_origin, f"{where}.{column}", "no key of this file", word=column, candidates=MODEL_KEYS)
                continue
            read = kind.read(value.node)
            if read is None:
                problems.bad_value(f"{where}.{column}", value.node, kind.allowed)
            columns[column] = read
        if len(problems) > before:
            continue
        missing = _missing(columns, models.get(name))
        if missing:
            problems.add(entry.key_origin, where, f"a new model needs {', '.join(missing)}")
        else:
            models[name] = _model(name, columns, models.get(name))


def _missing(columns: Mapping[str, Any], base: KVModel | None) -> list[str]:
    if base is not None and (columns.get("attention_type") != "mla" or base.kind == "mla"):
        return []
    needed = (*(_NEW_MODEL if base is None else ()), *(_COMPRESSED if columns.get("attention_type") == "mla" else ()))
    return [column for column in needed if column not in columns]


def _model(name: str, columns: Mapping[str, Any], base: KVModel | None) -> KVModel:
    """The model of that name with the columns given; one whose heads or width change gets the width of a head anew."""
    hidden = columns.get("hidden_dim", base.hidden if base else 0)
    heads = columns.get("num_heads", base.heads if base else 0)
    kv_heads = columns.get("kv_heads", base.kv_heads if base else heads)
    keeps = base is not None and not {"hidden_dim", "num_heads"} & columns.keys()
    default_kind = base.kind if base and "kv_heads" not in columns else ("mha" if kv_heads == heads else "gqa")
    return KVModel(
        key=name,
        layers=columns.get("num_layers", base.layers if base else 0),
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=columns.get("head_dim", base.head_dim if base is not None and keeps else hidden // heads),
        kind=columns.get("attention_type", default_kind),
        kv_lora_rank=columns.get("kv_lora_rank", base.kv_lora_rank if base else 0),
        rope_dim=columns.get("qk_rope_head_dim", base.rope_dim if base else 0),
        dtype=columns.get("dtype", base.dtype if base else "float16"),
    )


def _config(found: Mapping[str, Any], models: Mapping[str, KVModel], ignored: list[str]) -> WorkloadConfig:
    def below(section: str) -> dict[str, Any]:
        return {key[len(section) + 1 :]: value for key, value in found.items() if key.startswith(f"{section}.")}

    plain = WorkloadConfig()
    templates = tuple(
        dataclasses.replace(
            template,
            **{
                field: value
                for key, field in (
                    ("context_range", "context_tokens"),
                    ("generation_range", "generate_tokens"),
                    ("think_time_range", "think_seconds"),
                )
                if (value := found.get(f"user_templates.{template.name}.{key}")) is not None
            },
        )
        for template in TEMPLATES
    )
    return WorkloadConfig(
        templates=templates,
        shares=QoSShares(
            found.get("qos_distribution.interactive_probability", plain.shares.interactive_below),
            found.get("qos_distribution.responsive_threshold", plain.shares.responsive_below),
        ),
        eviction=EvictionLimits(**below("eviction")),
        decode_batch=found.get("decode.batch_size", plain.decode_batch),
        prefix_probability=found.get("prefix_cache.system_prompt_hit_probability", plain.prefix_probability),
        rag=RAGOptions(**below("rag")),
        max_conversations=found.get("conversation.max_conversations", plain.max_conversations),
        max_turns=found.get("conversation.max_turns_per_conv", plain.max_turns),
        end_conversation_probability=found.get("conversation.end_conversation_probability", plain.end_conversation_probability),
        generation_seconds={**plain.generation_seconds, **below("generation_timing")},
        models=models,
        honoured=tuple(sorted(key for key in found if key in HONOURED)),
        without_effect=tuple(sorted([*(key for key in found if key in UNUSED), *ignored])),
    )
