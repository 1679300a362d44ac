"""Rules on the blocks of a system description, each as the edition's schema has it (section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pytest_mlpstorage.config.problems import did_you_mean
from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.system_description import SystemSchema
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.system_checks import Held, is_absent
from pytest_mlpstorage.rules.system_findings import read_block, schema_findings
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

# The official checker refuses a key that its schema does not have, in every block but a drive and its performance. The rule
# that speaks of a block speaks of such a key. A block that is missing is told once, by the rule that demands it; the rules on
# what stands inside have no evidence then. Values are taken in whatever form YAML gave them: round submissions wrote numbers
# bare, in quotes and with a tag. Case is not folded: the schema's words are exact, and the nearest one is suggested.


_SINGLE: Final = 3
"""Most different demands on single fields that are told one by one."""


def _fields(description: SystemDescription, edition: Edition, rule: str) -> Iterator[Finding | NoEvidence | Met]:
    """What a rule says of single fields: of one that is right, its value and what the schema wants."""
    held: list[Held] = []
    yield from schema_findings(description, edition, rule, held)
    many = len({field.wanted for field in held}) > _SINGLE
    for field in held:
        yield Met(field.told, "for each, one of the schema's words" if many else field.wanted)


def _entries(
    description: SystemDescription, edition: Edition, rule: str, entries: str, key: str, wanted: str
) -> Iterator[Finding | NoEvidence | Met]:
    """What a rule says of the entries of lists, each of which has the field ``key``: where they are right, how many they are."""
    held: list[Held] = []
    said = list(schema_findings(description, edition, rule, held))
    yield from said
    if held and not said:
        yield Met(f"{sum(field.key == key for field in held)} {entries}, {len(held)} fields", wanted)
    elif not said:
        yield NotAsked(f"no {entries}".replace("kinds", "kind"), "asked where they are described")


@rule("SYS-01", "systemDescriptionReadable", subject=SystemDescription, editions=("3.0",))
def readable(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The description is a YAML document whose top level is a mapping with the block ``system_under_test``.

    That block holds nothing but the fields of the schema. Whether other keys beside it are allowed is not published, so
    they are told and cost nothing. Officially 2.1.7.
    """
    schema = edition.system_description
    if schema is None:
        yield NoEvidence(f"edition {edition.name} has no schema of system descriptions")
        return
    document = description.document
    if document is None and description.problems:
        for problem in description.problems:
            yield Finding(f"the description {problem.message}", required="a YAML document", file=problem.file)
    elif not isinstance(document, Mapping):
        what = "is empty" if document is None else "is no mapping at its top level"
        yield Finding(f"the description {what}", measured=shown(document), required="a mapping", file=description.relpath)
    elif document.get(schema.root) is None:
        meant = [str(shown(key)) for key in list(document)[:_KEYS_LOOKED_AT]]
        yield Finding(
            f"the description has no {schema.root}{did_you_mean(schema.root, meant)}", required=schema.root, file=description.relpath
        )
    elif not isinstance(document[schema.root], Mapping):
        kind = shown(document[schema.root])
        yield Finding("a block is no mapping", measured=kind, required="a mapping", file=description.relpath, field=schema.root)
    else:
        said = list(schema_findings(description, edition, "SYS-01"))
        yield from said
        yield from _other_keys(description, document, schema)
        if not said:
            yield Met(f"{schema.root} with {len(document[schema.root])} fields", f"a mapping with {schema.root}, of the schema's fields")


_KEYS_LOOKED_AT = 20


def _other_keys(description: SystemDescription, document: Mapping[object, object], schema: SystemSchema) -> Iterator[Finding]:
    other = [str(shown(key)) for key in document if key != schema.root]
    if other:
        yield Finding(
            f"keys stand beside {schema.root}; whether the schema allows them is not published",
            severity=Severity.INFO,
            category=Category.CLOSED,
            measured=", ".join(other[:_KEYS_LOOKED_AT]),
            file=description.relpath,
        )


@rule("SYS-02", "systemSolutionNames", subject=SystemDescription, editions=("3.0",))
def solution_names(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The solution has a name for the submission and a description for people, neither empty. Officially 2.1.7."""
    yield from _fields(description, edition, "SYS-02")


@rule("SYS-03", "systemArchitecture", subject=SystemDescription, editions=("3.0",))
def architecture(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Where the storage is, what is spoken to it and what the clients need for it are said in the schema's words.

    Officially 2.1.7.
    """
    yield from _fields(description, edition, "SYS-03")


@rule("SYS-05", "systemCapabilities", subject=SystemDescription, editions=("3.0",))
def capabilities(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The solution says whether several hosts may use it, whether they may write and read at once, and how long a remap takes.

    Three truth values and whole seconds, none left out. Officially 4.7.4 for the truth values and 4.7.3 for the seconds.
    """
    yield from _fields(description, edition, "SYS-05")


@rule("SYS-07", "systemCapacity", subject=SystemDescription, editions=("3.0",))
def capacity(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The usable capacity is given in TiB and is not below the schema's least; storage inside clients may be given too.

    Officially 2.1.7.
    """
    yield from _fields(description, edition, "SYS-07")


@rule("SYS-08", "systemAvailability", subject=SystemDescription, editions=("3.0",))
def availability(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The solution says in the schema's words whether it can be had: available, preview or RDI. Officially 2.1.7."""
    yield from _fields(description, edition, "SYS-08")


@rule("SYS-09", "systemDeployment", subject=SystemDescription, editions=("3.0",))
def deployment(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The deployment is on premises or in a cloud, and the clients are listed.

    How many clients at least is not published: an empty list is told to the reviewer and costs nothing. Officially 2.1.7.
    """
    yield from _fields(description, edition, "SYS-09")
    read = read_block(description, edition)
    if not isinstance(read, NoEvidence) and read[1].get("clients") == []:
        yield Finding(
            "no client is described; whether the schema allows that is not published",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=0,
            file=description.relpath,
            field=f"{read[0].root}.clients",
        )
    elif not isinstance(read, NoEvidence) and isinstance(listed := read[1].get("clients"), (list, tuple)):
        yield Met(f"{len(listed)} kinds of client", "a list of clients")


@rule("SYS-17", "systemNodes", subject=SystemDescription, editions=("3.0",))
def nodes(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every product node and client says what it is, how many there are, what chassis and operating system it has.

    Chassis: model, processors, cores, memory in GiB. Environment variables and kernel settings have a name and a value each.
    Officially 2.1.7.
    """
    yield from _entries(
        description, edition, "SYS-17", "kinds of node and client", "quantity", "what each is, how many, chassis, operating system"
    )


@rule("SYS-18", "systemNetworkPorts", subject=SystemDescription, editions=("3.0",))
def network_ports(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every network port says how many there are, of which type, and whether they are up; one that is up says speed and traffic.

    Speed and traffic of a port that is down are not asked, and not judged where given. Officially 2.1.7.
    """
    yield from _entries(
        description, edition, "SYS-18", "kinds of port", "unit_count", "number, type and state; of one up, speed and traffic"
    )


@rule("SYS-19", "systemDrives", subject=SystemDescription, editions=("3.0",))
def drives(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every kind of drive says how many there are, vendor, model, interface, medium and capacity in GB of base 10.

    Performance may be given. Here, and here alone, fields that the schema does not have are allowed. Officially 2.1.7.
    """
    yield from _entries(
        description, edition, "SYS-19", "kinds of drive", "unit_count", "number, vendor, model, interface, medium, capacity"
    )


@rule("SYS-20", "systemSwitches", subject=SystemDescription, editions=("3.0",))
def switches(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every switch of the solution says how many there are, vendor, model, ports and rack units. Officially 2.1.7."""
    yield from _entries(description, edition, "SYS-20", "kinds of switch", "unit_count", "number, vendor, model, ports, rack units")


@rule("SYS-21", "systemPower", subject=SystemDescription, editions=("3.0",))
def power(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every power block says how many supplies must be active and lists those there are: number, voltage, watts, efficiency.

    The shape of power supplies of whole racks is not published: they are told and not judged. Officially 2.1.7.
    """
    yield from _entries(
        description, edition, "SYS-21", "kinds of power supply", "unit_count", "how many active; number, voltage, watts, efficiency"
    )
    read = read_block(description, edition)
    if not isinstance(read, NoEvidence) and not is_absent(read[1].get("rack_power_supplies")):
        yield Finding(
            "the schema of power supplies of racks is not published; they were not judged",
            severity=Severity.INFO,
            category=Category.CLOSED,
            measured=shown(read[1]["rack_power_supplies"]),
            file=description.relpath,
            field=f"{read[0].root}.rack_power_supplies",
        )
