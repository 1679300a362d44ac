"""Proof that DLIO took what it was given: it ignores unknown keys and wrong plug-in classes in silence (training.md §0.5)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from pytest_mlpstorage.dlio.keys import KeyEntry, nearest
from pytest_mlpstorage.errors import ConfigurationError, DependencyError

__all__ = ["Proof", "keys_read", "overridden_keys", "plain_arguments", "prove_classes", "prove_keys"]

_SHORT = 32  # file lists are not settings
_PLUG_INS = {
    "reader.reader_classname": "reader_class",
    "reader.data_loader_classname": "data_loader_class",
    "checkpoint.checkpoint_mechanism_classname": "checkpoint_mechanism_class",
}


@dataclasses.dataclass(frozen=True)
class Proof:
    """Keys of the configuration by what became of them."""

    effective: tuple[str, ...]
    translated: tuple[str, ...]
    ignored: tuple[str, ...]


@contextlib.contextmanager
def keys_read() -> Iterator[set[str]]:
    """Collect the dotted keys that are looked up in any OmegaConf mapping while the context is open.

    This tells for any DLIO which keys its loader knows, without a list of ours that could be wrong. Raises
    DependencyError if this omegaconf cannot be watched.
    """
    from omegaconf import DictConfig

    original = getattr(DictConfig, "_get_node", None)
    if original is None:
        raise DependencyError(
            "this omegaconf cannot be watched: DictConfig has no _get_node", suggestion="install omegaconf 2.3", code="MLPS-E220"
        )
    found: set[str] = set()
    naming = [False]  # to name a key, omegaconf looks keys up itself

    def watched(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        node = original(self, key, *args, **kwargs)
        if node is not None and not naming[0]:
            naming[0] = True
            try:
                found.add(str(self._get_full_key(key)))
            finally:
                naming[0] = False
        return node

    DictConfig._get_node = watched  # type: ignore[method-assign]  # restored below
    try:
        yield found
    finally:
        DictConfig._get_node = original  # type: ignore[method-assign]


def overridden_keys(overrides: Sequence[str]) -> frozenset[str]:
    """Dotted keys below ``workload`` that a list of Hydra overrides sets (``++workload.reader.batch_size=7``)."""
    keys = (word.lstrip("+~").partition("=")[0] for word in overrides)
    return frozenset(key.removeprefix("workload.") for key in keys if key.startswith("workload."))


def prove_keys(
    given: Mapping[str, Any],
    *,
    read: Collection[str],
    overridden: Collection[str],
    translated: Mapping[str, Any],
    sources: Mapping[str, str],
    arguments: object,
    known: Mapping[str, KeyEntry],
    engine: str,
) -> Proof:
    """Compare what was ``given`` (dotted key → value) with what DLIO read and holds in its ``arguments``.

    ``translated`` are the dotted keys set by us, ``sources`` tells which official key each official one became, ``known``
    and ``engine`` are the key lists. A key of another DLIO version that stands in a template is only noted; one that was
    asked for as an override, and one that no version knows, raise ConfigurationError naming every such key.
    """
    effective, through, ignored, wrong = [], [], [], {}
    for key, value in given.items():
        entry = known.get(key) or _group_entry(key, known)
        if key in sources or key in translated:
            through.append(key)
        elif key in read:
            attribute = entry.attribute(engine) if entry else None
            if attribute is not None and hasattr(arguments, attribute) and _differs(getattr(arguments, attribute), value):
                wrong[key] = f"given {value!r}, DLIO holds {_plain(getattr(arguments, attribute))!r}"
            effective.append(key)
        elif entry is not None and entry.inert:
            ignored.append(key)
        elif entry is None:
            near = nearest(key, known)
            wrong[key] = f"unknown key{f', did you mean {near}?' if near else ''}"
        elif key in overridden:
            wrong[key] = f"not understood by this DLIO; known to {', '.join(entry.engines) or 'none'}"
        else:
            ignored.append(key)
    for key, value in translated.items():
        attribute = known[key].attribute(engine) if key in known else None
        if attribute is not None and hasattr(arguments, attribute) and _differs(getattr(arguments, attribute), value):
            wrong[key] = f"set to {value!r} by translation, DLIO holds {_plain(getattr(arguments, attribute))!r}"
    if wrong:
        raise ConfigurationError(
            f"{len(wrong)} parameter(s) did not take effect in DLIO ({engine})",
            details=dict(sorted(wrong.items())),
            suggestion="leave the key out, or correct its name",
            code="MLPS-E141",
        )
    return Proof(tuple(effective), tuple(through), tuple(ignored))


def _group_entry(key: str, known: Mapping[str, KeyEntry]) -> KeyEntry | None:
    """Find the entry of a free-form group above ``key`` (``dataset.parquet``), if there is one."""
    while "." in key:
        key = key.rpartition(".")[0]
        if key in known and known[key].type == "any":
            return known[key]
    return None


def prove_classes(wanted: Mapping[str, Any], arguments: object) -> dict[str, str]:
    """Names of the plug-in classes in effect; raises ConfigurationError if one of ``wanted`` (key → dotted name) is not."""
    found: dict[str, str] = {}
    for key, attribute in _PLUG_INS.items():
        name = wanted.get(key)
        actual = getattr(arguments, attribute, None)
        shown = f"{actual.__module__}.{actual.__qualname__}" if isinstance(actual, type) else "built in"
        if name and (not isinstance(actual, type) or actual.__name__ != str(name).rpartition(".")[2]):
            raise ConfigurationError(
                f"DLIO did not take the class of {key}",
                details={"wanted": name, "in effect": shown},
                suggestion="the module must hold a class of that name that derives from DLIO's base class",
                code="MLPS-E141",
            )
        found[attribute] = shown
    return found


def plain_arguments(arguments: object) -> dict[str, Any]:
    """DLIO's settings as JSON values: attributes that are numbers, text, enumerations or short lists of them."""
    found: dict[str, Any] = {}
    for name in sorted(set(dir(arguments))):
        if name.startswith("_"):
            continue
        value = _plain(getattr(arguments, name))
        items = value if isinstance(value, list) else [value]
        if len(items) <= _SHORT and all(item is None or isinstance(item, (bool, int, float, str)) for item in items):
            found[name] = value
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "_content"):  # an OmegaConf container
        from omegaconf import OmegaConf

        return OmegaConf.to_container(value)
    return list(value) if isinstance(value, tuple) else value


def _differs(held: Any, value: Any) -> bool:
    held, value = _plain(held), _plain(value)
    if isinstance(held, str) and isinstance(value, str):
        return held.rstrip("/").lower() != value.rstrip("/").lower()
    if isinstance(value, bool) and isinstance(held, str):
        return str(value).lower() != held.lower()
    return bool(held != value)
