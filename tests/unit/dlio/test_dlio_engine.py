"""Which reader and generator do the I/O."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.dlio.engine import ODIRECT_READER, PARQUET_LOADER, RAW_READER, choose
from pytest_mlpstorage.errors import ConfigurationError


def engine(format_name: str, flavour: str = "registry", reader: str = "auto", generator: str = "auto", **keys: object):
    workload = {
        "dataset": {"format": format_name},
        "reader": {k: v for k, v in keys.items() if k != "train"},
        "workflow": {"train": keys.get("train", False)},
    }
    return choose(workload, flavour=flavour, reader=reader, generator=generator)


def test_npz_is_read_and_made_by_dlio_itself():
    assert engine("npz").builtin


def test_images_of_the_registry_are_raw_because_its_own_are_half_as_long_as_reported():
    found = engine("jpeg")
    assert (found.reader, found.generator) == ("raw", "raw")
    assert found.settings == {"reader.reader_classname": RAW_READER}


def test_odirect_on_the_registry_brings_the_direct_reader_in():
    found = engine("npz", odirect=True)
    assert (found.reader, found.generator) == ("raw-odirect", "builtin")
    assert found.settings == {"reader.reader_classname": ODIRECT_READER}


@pytest.mark.parametrize("format_name", ["npz", "jpeg", "parquet"])
def test_the_fork_is_never_given_a_plug_in_unless_asked(format_name):
    assert engine(format_name, flavour="mlcommons", odirect=True).builtin
    assert engine(format_name, flavour="mlcommons", reader="raw").settings == {"reader.reader_classname": RAW_READER}


def test_parquet_of_the_registry_goes_through_our_generator_and_loader():
    found = engine("parquet")
    assert (found.reader, found.generator) == ("parquet", "parquet")
    assert found.settings["reader.data_loader_classname"] == PARQUET_LOADER


def test_a_reader_of_ones_own_is_kept():
    found = engine("jpeg", reader_classname="mine.Reader")
    assert (found.reader, found.settings) == ("plugin", {})


def test_what_contradicts_itself_is_refused():
    with pytest.raises(ConfigurationError, match="contradict"):
        engine("npz", reader="raw", reader_classname="mine.Reader")
    with pytest.raises(ConfigurationError, match="odirect"):
        engine("npz", reader="builtin", odirect=True)
    with pytest.raises(ConfigurationError, match="raw files"):
        engine("npz", reader="builtin", generator="raw", train=True)
    with pytest.raises(ConfigurationError, match="parquet"):
        engine("parquet", reader="builtin")
