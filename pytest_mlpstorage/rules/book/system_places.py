"""Rules on where the storage of a system stands, and what must be described there (section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.system_description import SystemSchema
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.system_checks import Problem, as_words, entries, is_absent
from pytest_mlpstorage.rules.system_findings import CLOUD, ONPREM, Block, at, found, nodes_of, not_known, read_block, unwanted
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []


def _location(description: SystemDescription, edition: Edition) -> tuple[SystemSchema, Block, str] | NoEvidence:
    read = read_block(description, edition)
    if isinstance(read, NoEvidence):
        return read
    said = as_words(at(read[1], "solution", "architecture", "storage_location"))
    if said not in (*read[0].remote_locations, read[0].local_location):
        return not_known(description, f"{read[0].root}.solution.architecture.storage_location")
    return (*read, said)


@rule("SYS-14", "systemRemoteNetworking", subject=SystemDescription, editions=("3.0",))
def remote_networking(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Where storage is remote, wholly or in part, every product node and every client has a network. Officially 2.1.7."""
    read = _location(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block, location = read
    if location not in schema.remote_locations:
        yield NotAsked(f"storage_location {location}", "asked where storage is remote")
        return
    connected, alone = 0, 0
    for path, node in nodes_of(block, schema):
        if is_absent(node.get("networking")):
            alone += 1
            yield found(description, Problem(f"{path}.networking", "storage is remote and a node has no network", None, "at least 1 port"))
        else:
            connected += 1
    if not alone:
        yield Met(f"{connected} kinds of node and client with a network", f"a network for each, as storage is {location}")


@rule("SYS-15", "systemLocalSwitches", subject=SystemDescription, editions=("3.0",))
def local_switches(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Where storage is inside the clients, the solution has no switches. Officially 2.1.7."""
    read = _location(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block, location = read
    if location == schema.local_location:
        yield from unwanted(description, block, ("product_switches",), schema.root, "where storage is local")
    else:
        yield NotAsked(f"storage_location {location}", "asked where storage is local")


@rule("SYS-16", "systemProductNodes", subject=SystemDescription, editions=("3.0",))
def product_nodes(description: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """On premises, storage outside the clients stands in product nodes, which are described.

    What exactly sets the official check off is not published; it is known to do so for remote storage, and to spare clouds
    and storage inside the clients. Every other case is told and costs nothing. Officially 2.1.7.
    """
    read = _location(description, edition)
    if isinstance(read, NoEvidence):
        yield read
        return
    schema, block, location = read
    deployed = as_words(block.get("deployment"))
    if deployed not in (ONPREM, CLOUD):
        yield not_known(description, f"{schema.root}.deployment")
    elif deployed == ONPREM and location in schema.remote_locations and is_absent(block.get("product_nodes")):
        field = f"{schema.root}.product_nodes"
        # Drives of a client may be where it boots from or what it serves: nobody can tell, so nobody fails.
        inside = any(not is_absent(client.get("drives")) for _, client in entries(block, "clients", schema.root))
        if location == schema.external_location and not inside:
            yield found(description, Problem(field, "storage is remote and no product node is described", None, "at least 1 node"))
        else:
            yield Met("no product node", f"not published for storage {location}{' and drives in clients' if inside else ''}")
            yield Finding(
                "no product node is described; whether one is needed here is not published",
                severity=Severity.INFO,
                category=Category.CLOSED,
                measured=f"storage_location {location}{', drives in clients' if inside else ''}",
                file=description.relpath,
                field=field,
            )
    elif deployed == CLOUD:
        yield NotAsked(f"deployment {CLOUD}", f"asked of deployment {ONPREM}")
    elif location not in schema.remote_locations:
        yield NotAsked(f"storage_location {location}", "asked where storage is remote")
    else:
        kinds = sum(1 for _ in entries(block, "product_nodes", schema.root))
        # Something else than nodes is not judged here; SYS-17 speaks of it.
        described = f"{kinds} kinds of product node" if kinds else f"product_nodes {shown(block.get('product_nodes'))}"
        yield Met(described, f"at least 1, as storage is {location}")
