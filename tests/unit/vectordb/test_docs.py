"""The page on vector databases says of parameters and own limits what the engines and the limits themselves say."""

from pathlib import Path

import pytest

from pytest_mlpstorage.results.vector_limits import DEFAULTS
from pytest_mlpstorage.vectordb.registry import engine

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "vector-databases.md").read_text(encoding="utf-8")


def parameters(table):
    return "; ".join(f"`{one.name}` {one.least:g}–{one.most:.0f}, {one.default}" for one in table) or "–"


@pytest.mark.parametrize("name", ["zvec", "pgvector", "milvus"])
def test_every_index_of_an_engine_stands_there_with_its_ranges_and_defaults(name):
    for token, family in engine(name).capabilities().families.items():
        row = f"| {name} {token} | {parameters(family.build)} | {parameters(family.search)} | {family.residence} |"
        assert row in PAGE.splitlines()
    assert sum(line.startswith(f"| {name} ") for line in PAGE.splitlines()) == len(engine(name).capabilities().families)


def test_every_own_limit_stands_there_with_its_default_and_weight():
    for limit in DEFAULTS.values():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {limit.id} |")]
        assert f"| {'exact' if limit.value is True else limit.value} | " in row
        assert limit.severity.value in row
        assert limit.value is True or f"`{limit.name}`" in row
