"""A draft of a system description: what was collected is filled in, and every field that a person must fill says so."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from pytest_mlpstorage.editions.system_description import SystemField, SystemSchema
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error, sync_directory

__all__ = ["MARK", "Client", "draft_text", "marked_fields", "write_draft"]

MARK: Final = "<fill in"
"""How a value begins that a person must still give."""

# Optional fields that most systems need: a person deletes what does not apply more easily than they find what is missing.
_OFFERED: Final = frozenset(
    {"product_nodes", "total_rack_units", "product_nodes.drives", "networking", "chassis.rack_units", "chassis.power"}
)
_HEAD: Final = """\
# DRAFT of a system description, made by pytest-mlpstorage {version} from {hosts}.
# What could be collected from the clients is filled in: check it. Each value that begins with "{mark}" is yours to give, and the
# rules refuse the file until none is left. Nothing of the product was guessed.
#   in a cloud:              delete total_rack_units and every rack_units and power
#   storage in the clients:  delete product_nodes, and give the clients' drives as those of a product node are given
#   more than one kind of node, port, drive or supply: repeat the entry
#   switches of the solution, sysctl and environment of clients: optional blocks, see the submission rules
# A PDF of the same name with the drawing and the power table belongs beside this file.
"""


@dataclasses.dataclass(frozen=True)
class Client:
    """Hosts that are equal in everything that is known of them; an empty text is not known."""

    quantity: int
    cpu_model: str
    cpus: int
    cores: int
    memory_gib: int
    os_name: str
    os_version: str

    def known(self) -> dict[str, Any]:
        """As the blocks of a client, without what is not known."""
        system = {"name": self.os_name, "version": self.os_version}
        chassis = {"cpu_model": self.cpu_model, "cpu_qty": self.cpus, "cpu_cores": self.cores, "memory_capacity": self.memory_gib}
        return {
            "quantity": self.quantity,
            "chassis": {key: value for key, value in chassis.items() if value},
            "operating_system": {key: value for key, value in system.items() if value},
        }


def draft_text(name: str, clients: Sequence[Client], schema: SystemSchema, *, benchmark_api: str, version: str) -> str:
    """The YAML of a draft for the system ``name``; ``benchmark_api`` is what the configured runs speak (file or object)."""
    solution = {"submission_name": name, "architecture": {"benchmark_API": benchmark_api}}
    known = {"solution": solution, "clients": [client.known() for client in clients]}
    document = {schema.root: _block(schema, schema.root, known, "")}
    count = sum(client.quantity for client in clients)
    head = _HEAD.format(version=version, hosts=f"{count} host{'s' if count != 1 else ''}", mark=MARK)
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=False, width=200)


def _block(schema: SystemSchema, name: str, known: Mapping[str, Any], within: str) -> dict[str, Any]:
    """One block: known values, marks for the others that it must have, and the optional fields that are offered."""
    made: dict[str, Any] = {}
    for key, field in schema.blocks[name].fields.items():
        offered = {key, f"{name}.{key}", f"{within}.{key}"} & _OFFERED
        if not (field.required or offered or key in known):
            continue
        if field.kind == "block":
            made[key] = _block(schema, field.block, known.get(key, {}), key)
        elif field.kind == "blocks":
            made[key] = [_block(schema, field.block, entry, key) for entry in known.get(key) or [{}]]
        elif key in known:
            made[key] = known[key]
        else:
            made[key] = [_mark(field)] if field.kind == "choices" else _mark(field)
    return made


def _mark(field: SystemField) -> str:
    unit = f" in {field.unit}" if field.unit else ""
    words = {
        "choice": f"one of {', '.join(field.choices)}",
        "choices": f"one or more of {', '.join(field.choices)}",
        "boolean": "true or false",
        "whole": f"a whole number{unit}",
        "number": f"a number{unit}",
    }
    return f"{MARK}: {words.get(field.kind, 'a text')}>"


def marked_fields(document: object, path: str = "") -> Iterator[str]:
    """Dotted paths of all values that still hold the mark, in the order of the document."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from marked_fields(value, f"{path}.{key}" if path else str(key))
    elif isinstance(document, (list, tuple)):
        for index, value in enumerate(document):
            yield from marked_fields(value, f"{path}[{index}]")
    elif isinstance(document, str) and document.lstrip().lower().startswith(MARK):
        yield path


def write_draft(path: Path, text: str) -> None:
    """Write a draft where nothing stands; raises FileSystemError where something does, and leaves it alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_system_error("cannot write the draft of a system description", path, error) from error
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise FileSystemError(
            "a system description stands there already; nothing is overwritten",
            details={"path": path},
            suggestion="move it away to have a new draft, or describe another system",
            code="MLPS-E414",
        ) from None
    except OSError as error:
        raise file_system_error("cannot write the draft of a system description", path, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        sync_directory(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise file_system_error("cannot write the draft of a system description", path, error) from error
