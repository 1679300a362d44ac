"""Rules on how the fields of a system description go together: place, deployment, rack units, power (section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.system_description import SystemSchema
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.system_checks import Problem, as_words, entries, is_absent
from pytest_mlpstorage.rules.system_findings import (
    CLOUD,
    ONPREM,
    Block,
    at,
    chassis_of,
    found,
    nodes_of,
    not_known,
    read_block,
    schema_findings,
    unwanted,
)
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

_NOT_APPLICABLE = "n/a"


@rule("SYS-04", "systemClientSoftware", subject=SystemDescription, editions=("3.0",))
def client_software(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """What software a client needs and how it is installed are both said, or both do not apply. Officially 2.1.7."""
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block = read
    path = f"{schema.root}.solution.architecture"
    words = {key: as_words(at(block, "solution", "architecture", key)) for key in ("client_footprint", "client_installation")}
    for key, word in words.items():
        if word is None:
            yield not_known(description, f"{path}.{key}")
    if None in words.values():
        return
    if (words["client_footprint"] == _NOT_APPLICABLE) != (words["client_installation"] == _NOT_APPLICABLE):
        measured = " and ".join(f"{key} {word}" for key, word in words.items())
        yield found(description, Problem(path, "only one of the two does not apply", measured, f"both or neither {_NOT_APPLICABLE}"))
    else:
        yield Met(" and ".join(f"{key} {shown(word)}" for key, word in words.items()), f"both or neither {_NOT_APPLICABLE}")


@rule("SYS-06", "systemRemapTime", subject=SystemDescription, editions=("3.0",))
def remap_time(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A remap takes no time exactly where several hosts can write and read at once; else its seconds are said.

    Officially 4.7.3.
    """
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block = read
    path = f"{schema.root}.solution.capabilities"
    values: dict[str, int | bool | None] = {
        key: boolean(at(block, "solution", "capabilities", key)) for key in ("simultaneous_write", "simultaneous_read")
    }
    values["remap_time_in_seconds"] = seconds = integer(at(block, "solution", "capabilities", "remap_time_in_seconds"))
    for key, value in values.items():
        if value is None:
            yield not_known(description, f"{path}.{key}")
    if None in values.values():
        return
    both = bool(values["simultaneous_write"] and values["simultaneous_read"])
    assert seconds is not None
    if both != (seconds == 0) or seconds < 0:
        message = "a remap time is given although hosts can write and read at once" if both else "no remap time is given"
        required = "0 s" if both else "more than 0 s, or hosts that can write and read at once"
        yield found(description, Problem(f"{path}.remap_time_in_seconds", message, f"{shown(seconds)} s", required))
    else:
        limit = "0 s, as hosts can" if both else "more than 0 s, as hosts cannot"
        yield Met(f"{shown(seconds)} s", f"{limit} write and read at once")


@rule("SYS-10", "systemOnPremisesData", subject=SystemDescription, editions=("3.0",))
def on_premises(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """On premises every node, client and switch has rack units and power, and the rack units of the solution are summed up.

    Officially 2.1.7.
    """
    read = _of_deployment(description, edition, ONPREM)
    if isinstance(read, NoEvidence):
        yield read
    elif read is not None:
        schema, block = read
        for path, node in nodes_of(block, schema):
            chassis = chassis_of(node, path, description)
            if isinstance(chassis, NoEvidence):
                yield chassis
            else:
                yield from _needed(description, chassis, ("rack_units", "power"), f"{path}.chassis")
        yield from _needed(description, block, ("total_rack_units",), schema.root)
        for path, switch in entries(block, "product_switches", schema.root):
            yield from _needed(description, switch, ("rack_units", "power"), path)
    else:
        yield NotAsked(f"deployment {CLOUD}", f"asked of deployment {ONPREM}")


def _of_deployment(description: SystemDescription, edition: Edition, wanted: str) -> tuple[SystemSchema, Block] | NoEvidence | None:
    """The block under test where it is deployed in the wanted way, None where in the other, no evidence where that is not said."""
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        return read
    said = as_words(read[1].get("deployment"))
    if said not in (ONPREM, CLOUD):
        return not_known(description, f"{read[0].root}.deployment")
    return read if said == wanted else None


_NEEDED: Final = {
    "rack_units": "rack units of each node, client and switch",
    "power": "power of each",
    "total_rack_units": "total_rack_units",
}


def _needed(description: SystemDescription, block: Block, keys: tuple[str, ...], path: str) -> Iterator[Finding | Met]:
    for key in keys:
        if is_absent(block.get(key)):
            yield found(description, Problem(f"{path}.{key}", "a field that a deployment on premises needs is not there"))
        else:
            given = shown(block[key])
            measured = {"power": "power described", "rack_units": f"{given} U", "total_rack_units": f"{given} U in total"}
            yield Met(measured[key], _NEEDED[key])


@rule("SYS-11", "systemCloudData", subject=SystemDescription, editions=("3.0",))
def cloud(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """In a cloud nobody knows racks and power: no switches, no rack supplies, no rack units or power of a node or client.

    Officially 2.1.7.
    """
    read = _of_deployment(description, edition, CLOUD)
    if isinstance(read, NoEvidence):
        yield read
    elif read is not None:
        schema, block = read
        yield from unwanted(description, block, ("product_switches", "rack_power_supplies"), schema.root, "in a cloud")
        for path, node in nodes_of(block, schema):
            chassis = chassis_of(node, path, description)
            if isinstance(chassis, NoEvidence):
                yield chassis
            else:
                yield from unwanted(description, chassis, ("rack_units", "power"), f"{path}.chassis", "in a cloud")
    else:
        yield NotAsked(f"deployment {ONPREM}", f"asked of deployment {CLOUD}")


@rule("SYS-12", "systemRackUnitsSum", subject=SystemDescription, editions=("3.0",))
def rack_units_sum(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The rack units of the solution are those of its nodes and switches, each times its number; clients do not count.

    Officially 2.1.7.
    """
    yield from schema_findings(description, edition, "SYS-12")
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        return
    schema, block = read
    total = _exact(block.get("total_rack_units"))
    if total is None:
        if block.get("total_rack_units") is None:
            yield NotAsked("no total_rack_units", "asked where they are given")
        return
    # In a cloud a node has no rack units, so it adds none.
    absent = Fraction(0) if as_words(block.get("deployment")) == CLOUD else None
    parts: list[Fraction | None] = []
    for _, node in entries(block, "product_nodes", schema.root):
        parts.append(_times(at(node, "chassis", "rack_units"), node.get("quantity"), absent))
    for _, switch in entries(block, "product_switches", schema.root):
        parts.append(_times(switch.get("rack_units"), switch.get("unit_count"), absent))
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        yield NoEvidence("the rack units of a node or switch, or how many there are, are not known", description.relpath)
    elif total != sum(known):
        yield found(
            description,
            Problem(
                f"{schema.root}.total_rack_units",
                "the rack units are not those of the nodes and switches together",
                _written(total),
                _written(sum(known, Fraction(0))),
            ),
        )
    else:
        yield Met(f"{_written(total)} rack units", f"{_written(sum(known, Fraction(0)))} rack units, the sum of nodes and switches")


def _exact(value: object) -> Fraction | None:
    # A number is the decimal that was written: three times 0.1 is 0.3.
    parsed = number(value)
    return None if parsed is None else Fraction(str(parsed))


def _times(units: object, count: object, absent: Fraction | None) -> Fraction | None:
    if units is None and absent is not None:
        return absent
    one, many = _exact(units), _exact(count)
    return None if one is None or many is None else one * many


def _written(value: Fraction) -> str | None:
    # What no float can hold is written as the whole number that it is, or is near.
    return shown(int(value)) if value.denominator == 1 or abs(value) > _LARGE else f"{float(value):.10g}"


_LARGE = 10**15


@rule("SYS-13", "systemActivePowerSupplies", subject=SystemDescription, editions=("3.0",))
def active_supplies(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """No power block needs more active supplies than it has. Officially 2.1.7."""
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block = read
    holders = [(f"{path}.chassis", at(node, "chassis")) for path, node in nodes_of(block, schema)]
    holders += entries(block, "product_switches", schema.root)
    powers = [(f"{path}.power", power) for path, holder in holders if isinstance(power := at(holder, "power"), Mapping)]
    for path, power in powers:
        yield from _active(description, power, path)
    if not powers:
        yield NotAsked("no power described", "asked where it is")


def _active(description: SystemDescription, power: Block, path: str) -> Iterator[Finding | NoEvidence | Met]:
    needed = integer(power.get("min_psus_active"))
    listed = power.get("psus_configured")
    counts = [integer(at(supply, "unit_count")) for supply in listed] if isinstance(listed, (list, tuple)) else [None]
    known = [count for count in counts if count is not None]
    if needed is None or len(known) != len(counts):
        yield NoEvidence(f"{path} does not say how many supplies there are and how many must be active", description.relpath)
    elif needed > sum(known):
        field = f"{path}.min_psus_active"
        yield found(
            description, Problem(field, "more supplies must be active than there are", shown(needed), f"at most {shown(sum(known))}")
        )
    else:
        yield Met(f"{shown(needed)} of {shown(sum(known))} supplies must be active", "at most as many as there are")
