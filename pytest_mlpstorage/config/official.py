"""Official parameters in a section: nested or dotted keys to dotted keys, checked against data and never by asking an engine."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mlpstorage.config.problems import Problems, given, one_of
from pytest_mlpstorage.config.suite import KeySpec
from pytest_mlpstorage.config.tree import Entry, Fields, JSONValue, Node, Scalar, plain
from pytest_mlpstorage.units import parse_duration, parse_size

__all__ = ["collect", "convert", "groups", "known", "tells_unit"]


def known(key: str, keys: Mapping[str, KeySpec]) -> KeySpec | None:
    """What a dotted key takes: its own entry, or that of a key above it which takes anything."""
    if key in keys:
        return keys[key]
    above = key
    while "." in above:
        above = above.rpartition(".")[0]
        if above in keys:
            return keys[above] if keys[above].type == "any" else None
    return None


def groups(keys: Mapping[str, KeySpec]) -> dict[str, list[str]]:
    """Every group (``reader``, ``storage.storage_options``) with the dotted keys below it."""
    found: dict[str, list[str]] = {}
    for key in keys:
        above = key
        while "." in above:
            above = above.rpartition(".")[0]
            found.setdefault(above, []).append(key)
    return found


def collect(
    name: str, entry: Entry, keys: Mapping[str, KeySpec], *, prefix: str, own: tuple[str, ...], into: dict[str, Entry], problems: Problems
) -> None:
    """Put what stands behind ``name`` (a dotted key or a group) into ``into`` by dotted key; unknown and repeated keys are noted."""
    shown = f"{prefix}.{name}"
    below = groups(keys)
    node = entry.node
    if name in below and (isinstance(node, Fields) or name not in keys):
        if isinstance(node, Fields):
            for child, child_entry in node.entries.items():
                collect(f"{name}.{child}", child_entry, keys, prefix=prefix, own=own, into=into, problems=problems)
        else:
            inside = [key.removeprefix(f"{name}.") for key in below[name]]
            problems.add(node.origin, shown, f"given {given(node)}; allowed a mapping with the keys {one_of(inside)}")
        return
    if known(name, keys) is None:
        if isinstance(node, Fields) and node.entries:
            for child, child_entry in node.entries.items():
                collect(f"{name}.{child}", child_entry, keys, prefix=prefix, own=own, into=into, problems=problems)
            return
        group = name.rpartition(".")[0]
        inside = [key.removeprefix(f"{group}.") for key in below.get(group, ())]
        allowed = one_of(inside) if inside else one_of(tuple(dict.fromkeys([*own, *(key.split(".")[0] for key in keys)])))
        problems.add(entry.key_origin, shown, f"unknown key; allowed {allowed}", word=name, candidates=(*own, *keys), code="MLPS-E110")
    elif name in into:
        problems.add(entry.key_origin, shown, f"given twice, first at {into[name].key_origin.where}; allowed once", code="MLPS-E113")
    else:
        into[name] = entry


def convert(key: str, shown: str, node: Node, spec: KeySpec, problems: Problems) -> JSONValue:
    """The value of an official parameter in its type and range; None after noting why it is none."""
    value = _typed(key, shown, node, spec, problems)
    if spec.minimum is not None and isinstance(value, (int, float)) and not value >= spec.minimum:
        problems.add(node.origin, shown, f"given {given(node)}; allowed {_WORDS[spec.type]} of at least {spec.minimum}")
        return None
    return value


def _typed(key: str, shown: str, node: Node, spec: KeySpec, problems: Problems) -> JSONValue:
    """The value in its type.

    Sizes become bytes and durations seconds; a number where text is wanted is taken as it was written.
    """
    if spec.type == "any":
        return plain(node)
    if not isinstance(node, Scalar) or node.value is None:
        problems.bad_value(shown, node, _WORDS[spec.type])
        return None
    value = node.value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if spec.type == "bool" and isinstance(value, bool):
        return value
    if spec.type == "str" and (isinstance(value, str) or number):
        return node.text
    if spec.type == "float" and number:
        return value
    if number and (isinstance(value, int) if spec.type == "int" else tells_unit(key, spec)):
        return value
    if spec.type in {"size", "duration"} or (spec.type == "int" and key.endswith("_bytes") and isinstance(value, str)):
        try:
            return parse_duration(node.text) if spec.type == "duration" else parse_size(node.text)
        except ValueError as error:
            problems.add(node.origin, shown, f"given {given(node)}; {error}")
            return None
    problems.bad_value(shown, node, _WORDS[spec.type])
    return None


_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "size": "a size with its unit, such as 512GiB",
    "duration": "a time with its unit, such as 300s",
}


def tells_unit(key: str, spec: KeySpec) -> bool:
    """Whether a key's own name says the unit of its value, so that a bare number is clear: ``record_length_bytes_stdev``."""
    words = key.rpartition(".")[2].split("_")
    return (spec.type == "size" and "bytes" in words) or (spec.type == "duration" and "seconds" in words)
