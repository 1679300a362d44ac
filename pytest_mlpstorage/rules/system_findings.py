"""How a rule on a system description comes to its findings: the block it reads, what the schema says, who speaks of what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.system_description import SystemSchema
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.rules.system_checks import Held, Lack, Problem, entries, is_absent, problems
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__ = [
    "CLOUD",
    "ONPREM",
    "Block",
    "at",
    "chassis_of",
    "found",
    "nodes_of",
    "not_known",
    "read_block",
    "schema_findings",
    "unwanted",
]

ONPREM: Final = "onprem"
CLOUD: Final = "cloud"
"""The two words of ``deployment``."""

Block: TypeAlias = Mapping[Any, Any]
"""One mapping of the document; its keys may be of any type."""


def read_block(description: SystemDescription, edition: Edition) -> tuple[SystemSchema, Block] | NoEvidence:
    """The schema and the block that all rules read; where the file has none, SYS-01 speaks of it and the others have no evidence."""
    schema = edition.system_description
    if schema is None:
        return NoEvidence(f"edition {edition.name} has no schema of system descriptions")
    block = description.document.get(schema.root) if isinstance(description.document, Mapping) else None
    return (schema, block) if isinstance(block, Mapping) else NoEvidence(f"the description has no {schema.root}", description.relpath)


def schema_findings(
    description: SystemDescription, edition: Edition, rule: str, held: list[Held] | None = None
) -> Iterator[Finding | NoEvidence]:
    """What the schema of the edition makes one rule say of a description; ``held`` takes in each field that is right."""
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block = read
    for said in problems(block, schema, rule, held):
        yield NoEvidence(f"{said.path} {said.why}", description.relpath) if isinstance(said, Lack) else found(description, said)


def found(description: SystemDescription, problem: Problem) -> Finding:
    """A problem of a description as a finding on its file."""
    return Finding(problem.message, measured=problem.measured, required=problem.required, file=description.relpath, field=problem.path)


def unwanted(description: SystemDescription, block: Block, keys: tuple[str, ...], path: str, where: str) -> Iterator[Finding | Met]:
    """Findings on fields that are there and have no place ``where`` the system is; what is told of those that are not there."""
    for key in keys:
        if not is_absent(block.get(key)):
            yield found(description, Problem(f"{path}.{key}", f"a field has no place {where}", shown(block[key]), "no such field"))
        else:
            yield Met(f"no {key}", f"no such field {where}")


def not_known(description: SystemDescription, path: str) -> NoEvidence:
    """A field that a rule reads does not say what it should; the rule on that field speaks of it."""
    return NoEvidence(f"{path} is not known", description.relpath)


def at(block: Block, *keys: str) -> Any:
    """The value below several keys; None where any of them is not there."""
    node: Any = block
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def nodes_of(block: Block, schema: SystemSchema) -> Iterator[tuple[str, Block]]:
    """Every product node and every client with its path."""
    for key in ("product_nodes", "clients"):
        yield from entries(block, key, schema.root)


def chassis_of(node: Block, path: str, description: SystemDescription) -> Block | NoEvidence:
    """The chassis of a node; SYS-17 speaks of one that is not there."""
    chassis = node.get("chassis")
    return chassis if isinstance(chassis, Mapping) else NoEvidence(f"{path}.chassis is not there", description.relpath)
