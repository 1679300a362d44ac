"""Nested and dotted parameters, and their text in hydra's grammar."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from pytest_mlpstorage.nested import dotted, overlay, value_at
from pytest_mlpstorage.workloads.training_job import hydra_value

NESTED = {"reader": {"batch_size": 7, "odirect": True}, "framework": "pytorch"}


def test_dotted_gives_every_leaf_in_order():
    assert list(dotted(NESTED)) == [("reader.batch_size", 7), ("reader.odirect", True), ("framework", "pytorch")]


def test_an_empty_group_vanishes_and_a_list_is_a_value():
    assert dict(dotted({"reader": {"deep": {"x": [1]}}, "empty": {}})) == {"reader.deep.x": [1]}


def test_overlay_changes_a_copy():
    changed = overlay(NESTED, {"reader.batch_size": 9, "train.epochs": 2})
    assert changed == {"reader": {"batch_size": 9, "odirect": True}, "framework": "pytorch", "train": {"epochs": 2}}
    assert NESTED["reader"] == {"batch_size": 7, "odirect": True}


def test_overlay_replaces_a_leaf_by_a_group():
    assert overlay({"model": "unet3d"}, {"model.name": "unet3d"}) == {"model": {"name": "unet3d"}}


def test_a_copy_can_be_written_as_json_whatever_it_was_made_of():
    frozen = MappingProxyType({"columns": (MappingProxyType({"dtype": "int8"}),)})
    assert json.dumps(overlay(frozen, {})) == '{"columns": [{"dtype": "int8"}]}'


def test_read_gives_the_default_where_a_part_is_absent():
    assert (value_at(NESTED, "reader.batch_size"), value_at(NESTED, "reader.x.y", 3), value_at(NESTED, "nothing")) == (7, 3, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (None, "null"),
        (7, "7"),
        (0.162, "0.162"),
        ("/mnt/data", "/mnt/data"),
        ("/mnt/my data", "'/mnt/my data'"),
        ("a=b,c", "'a=b,c'"),
        ("it's", "'it\\'s'"),
        ("true", "'true'"),
        ("7", "'7'"),
        ("", "''"),
        ([1, "x y"], "[1,'x y']"),
        ({"size": 1}, "{size:1}"),
    ],
)
def test_values_are_quoted_as_hydra_wants_them(value, text):
    assert hydra_value(value) == text


@pytest.mark.parametrize("value", ["/mnt/my data", "it's", "a=b,c", "${oc.env:HOME}", "trailing\\", "{x}", "é", "7", "off", "a\\'b"])
def test_hydra_reads_back_the_text_that_was_given(value):
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser", reason="hydra is not installed")
    override = parser.OverridesParser.create().parse_override(f"++key={hydra_value(value)}")
    assert override.value() == value or str(override.value()) == value
