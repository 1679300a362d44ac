"""Columns of parquet workloads, and a format member for a DLIO without one."""

from __future__ import annotations

import pickle
from enum import Enum

import pytest

from pytest_mlpstorage.dlio import parquet_format
from pytest_mlpstorage.dlio.parquet_schema import Column, columns, row_bytes, row_group_rows, selected
from pytest_mlpstorage.errors import ConfigurationError, DependencyError

DLRM = {
    "row_group_size": 6144,
    "columns": [
        {"dtype": "float32", "size": 1, "count": 56},
        {"dtype": "float16", "size": 1, "count": 50},
        {"dtype": "float64", "size": 1, "count": 49},
        {"dtype": "int8", "size": 1, "count": 45},
    ],
    "read_columns": [11, 199],
}


class Form(Enum):
    """As DLIO keeps its formats."""

    NPZ = "npz"

    def __str__(self):
        return self.value


def test_the_preview_workload_has_200_columns_and_761_bytes_a_row():
    found = columns(DLRM, record_bytes=0)
    assert (len(found), row_bytes(found)) == (200, 761)
    assert len({column.name for column in found}) == 200
    assert [c.dtype for c in selected(DLRM, found)] == ["float32", "int8"]


def test_without_columns_a_row_is_one_record():
    assert columns({}, record_bytes=77) == (Column("x", "uint8", 77),)


@pytest.mark.parametrize(
    "entries",
    [[{"dtype": "text"}], [{"size": 0}], [{"count": 0}], ["x"], [{"name": "a"}, {"name": "a"}]],
)
def test_a_wrong_column_is_refused(entries):
    with pytest.raises(ConfigurationError, match=r"dataset\.parquet\.columns"):
        columns({"columns": entries}, record_bytes=1)


def test_a_column_to_read_that_does_not_exist_is_refused():
    with pytest.raises(ConfigurationError, match="no column 200 among 200"):
        selected({**DLRM, "read_columns": [200]}, columns(DLRM, record_bytes=0))


def test_a_row_group_is_as_asked_or_64_mib_and_never_more_than_the_file():
    assert row_group_rows(DLRM, bytes_a_row=761, rows=10**6) == 6144
    assert row_group_rows({}, bytes_a_row=2164832, rows=288) == 30
    assert row_group_rows({}, bytes_a_row=10**9, rows=288) == 1
    assert row_group_rows(DLRM, bytes_a_row=761, rows=100) == 100


def test_a_new_member_is_found_by_value_and_name_and_can_be_pickled():
    parquet_format.add_member(Form, "PARQUET", "parquet")
    parquet_format.add_member(Form, "PARQUET", "parquet")
    assert Form("parquet") is Form.PARQUET
    assert str(Form.PARQUET) == "parquet"
    assert [member.value for member in Form] == ["npz", "parquet"]
    assert pickle.loads(pickle.dumps(Form.PARQUET)) is Form.PARQUET  # noqa: S301 - our own bytes


def test_without_pyarrow_parquet_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(parquet_format, "find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match=r"pytest-mlpstorage\[parquet\]"):
        parquet_format.add_parquet_format()
