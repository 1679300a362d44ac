"""A table of vectors in PostgreSQL and its index: what it is, and how it is built."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.vectordb.check import check_spec
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec, Value
from pytest_mlpstorage.vectordb.pgvector_connection import Connection
from pytest_mlpstorage.vectordb.pgvector_tables import CAPABILITIES, OPERATOR_CLASSES

__all__ = ["build_index", "effective", "index_of", "is_file_of", "quoted", "require_table"]

_FOR_EVER_SECONDS: Final = 10.0 * 365 * 86_400
"""A build has the deadline of whoever waits for it, and ends with it."""

_INDEX: Final = """
    select i.indexrelid::regclass::text, m.amname, o.opcname, coalesce(c.reloptions, '{}'), i.indisvalid
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam join pg_opclass o on o.oid = i.indclass[0]
    where i.indrelid = %s::regclass and m.amname in ('hnsw', 'ivfflat') order by i.indexrelid"""


def quoted(name: str) -> str:
    """A checked name as SQL takes it, capitals and all."""
    return f'"{name}"'


def is_file_of(name: str, relation: str) -> bool:
    """Whether a file is a part of the relation whose first file is called ``relation``."""
    return re.fullmatch(rf"{re.escape(relation)}(_(fsm|vm|init))?(\.\d+)?", name) is not None


def require_table(connection: Connection, spec: IndexSpec) -> None:
    """Raise EngineError where the table is not there, or holds vectors of another dimension."""
    what = f"look at the table {spec.name}"
    found = connection.rows(
        what,
        "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass(%s) and attname = 'v' and not attisdropped",
        [quoted(spec.name)],
    )
    details = {"address": connection.where, "table": spec.name}
    if not found:
        raise EngineError(
            "pgvector: there is no such table of vectors", details=details, suggestion="create and load it first", code="MLPS-E513"
        )
    if found[0][0] != f"vector({spec.dim})":
        raise EngineError(
            f"pgvector: the table holds {found[0][0]}, not vectors of {spec.dim} dimensions",
            details=details,
            suggestion="create it anew",
            code="MLPS-E513",
        )


def index_of(connection: Connection, spec: IndexSpec) -> tuple[str, Mapping[str, str]] | None:
    """Name and options of the table's valid index of this kind and metric."""
    family = CAPABILITIES.families[spec.family]
    for name, method, operators, options, valid in connection.rows("look for the index", _INDEX, [quoted(spec.name)]):
        if valid and method == family.native and operators == OPERATOR_CLASSES[spec.metric]:
            return name, dict(option.split("=", 1) for option in options)
    return None


def effective(spec: IndexSpec, found: tuple[str, Mapping[str, str]] | None) -> Mapping[str, Value | None]:
    """What PostgreSQL keeps with the index, of which it refuses what it would not use."""
    options = found[1] if found is not None else {}
    table = CAPABILITIES.families[spec.family].build
    return {parameter.name: int(options[parameter.engine_name]) if parameter.engine_name in options else None for parameter in table}


def build_index(connection: Connection, spec: IndexSpec) -> None:
    """Build the index unless it is there; returns when it is, and its pages are written."""
    values, table = check_spec(CAPABILITIES, spec, "pgvector").values, quoted(spec.name)
    family = CAPABILITIES.families[spec.family]
    options = ", ".join(f"{parameter.engine_name} = {int(values[parameter.name])}" for parameter in family.build)
    if index_of(connection, spec) is not None:
        return
    with connection.calls("build the index", _FOR_EVER_SECONDS) as inner:
        # Marks rows as seen, which the first searches would do otherwise, and write.
        inner.execute(f"vacuum (analyze) {table}")
        with inner.transaction():
            # A builder that was killed may not have ended there yet; two indexes would be one too many.
            inner.execute(f"lock table {table} in share update exclusive mode")
            if _unlocked_index(inner, spec) is None:
                inner.execute(f"create index on {table} using {family.native} (v {OPERATOR_CLASSES[spec.metric]}) with ({options})")
        with contextlib.suppress(connection.psycopg.errors.InsufficientPrivilege):
            # Pages that are not written yet cannot be evicted.
            inner.execute("checkpoint")


def _unlocked_index(inner: Any, spec: IndexSpec) -> object:
    family = CAPABILITIES.families[spec.family]
    found = inner.execute(_INDEX, [quoted(spec.name)]).fetchall()
    return next((row for row in found if row[4] and row[1] == family.native and row[2] == OPERATOR_CLASSES[spec.metric]), None)
