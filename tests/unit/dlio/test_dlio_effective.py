"""Proof that DLIO took what it was given."""

from __future__ import annotations

import contextlib
from enum import Enum
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.dlio.effective import keys_read, overridden_keys, plain_arguments, prove_classes, prove_keys
from pytest_mlpstorage.dlio.keys import official_keys
from pytest_mlpstorage.errors import ConfigurationError

REG = "dlio-2.0.0"


class Form(Enum):
    """As DLIO keeps a format."""

    NPZ = "npz"


def prove(given, read, arguments=None, overridden=(), translated=None, sources=None):
    return prove_keys(
        given,
        read=read,
        overridden=overridden,
        translated=translated or {},
        sources=sources or {},
        arguments=arguments or SimpleNamespace(),
        known=official_keys(),
        engine=REG,
    )


def test_a_key_that_was_read_and_is_held_is_effective():
    arguments = SimpleNamespace(format=Form.NPZ, batch_size=7, data_folder="/d")
    given = {"dataset.format": "npz", "reader.batch_size": 7, "dataset.data_folder": "/d/"}
    assert set(prove(given, given, arguments).effective) == set(given)


def test_a_value_that_dlio_does_not_hold_is_named_with_both():
    with pytest.raises(ConfigurationError) as error:
        prove({"reader.batch_size": 7}, {"reader.batch_size"}, SimpleNamespace(batch_size=1))
    assert "reader.batch_size: given 7, DLIO holds 1" in str(error.value)


def test_an_unknown_key_is_named_with_the_nearest_even_in_a_template():
    with pytest.raises(ConfigurationError, match=r"reader.read_thread: unknown key, did you mean reader.read_threads"):
        prove({"reader.read_thread": 4}, set())


def test_a_key_of_another_engine_is_ignored_in_a_template_and_refused_as_an_override():
    given = {"reader.pin_memory": True}
    assert prove(given, set()).ignored == ("reader.pin_memory",)
    with pytest.raises(ConfigurationError, match="not understood by this DLIO; known to dlio-mlcommons"):
        prove(given, set(), overridden={"reader.pin_memory"})


def test_a_translated_key_counts_where_the_old_name_holds_the_value():
    proof = prove(
        {"dataset.record_length_bytes": 10},
        {"dataset.record_length"},
        SimpleNamespace(record_length=10),
        overridden={"dataset.record_length_bytes"},
        translated={"dataset.record_length": 10},
        sources={"dataset.record_length_bytes": "dataset.record_length"},
    )
    assert proof.translated == ("dataset.record_length_bytes",)
    with pytest.raises(ConfigurationError, match="by translation"):
        prove({}, set(), SimpleNamespace(record_length=65536), translated={"dataset.record_length": 10})


def test_what_the_tool_records_may_be_given_without_effect():
    assert prove({"dataset.total_disk_bytes": 1}, set(), overridden={"dataset.total_disk_bytes"}).ignored == ("dataset.total_disk_bytes",)


def test_a_class_that_is_not_in_effect_is_named_with_the_one_that_is():
    assert prove_classes({}, SimpleNamespace(reader_class=None))["reader_class"] == "built in"
    assert prove_classes({"reader.reader_classname": "a.Form"}, SimpleNamespace(reader_class=Form))["reader_class"].endswith(".Form")
    with pytest.raises(ConfigurationError, match=r"did not take the class of reader.reader_classname"):
        prove_classes({"reader.reader_classname": "a.Other"}, SimpleNamespace(reader_class=None))


def test_overrides_name_their_keys_whatever_their_prefix():
    assert overridden_keys(["workload=x", "++workload.a.b=1", "+workload.c=2", "workload.d=3", "hydra.run.dir=/x"]) == {"a.b", "c", "d"}


def test_settings_are_dumped_as_plain_values_without_the_file_lists():
    found = plain_arguments(SimpleNamespace(format=Form.NPZ, epochs=5, file_list_train=[str(i) for i in range(99)], sizes=[1, 2]))
    assert found == {"epochs": 5, "format": "npz", "sizes": [1, 2]}


def test_a_key_that_cannot_be_named_keeps_no_later_one_from_being_seen(monkeypatch):
    omegaconf = pytest.importorskip("omegaconf", reason="needs the DLIO environment")
    config, real = omegaconf.OmegaConf.create({"first": 1, "second": 2}), omegaconf.DictConfig._get_full_key

    def naming(self, key, *args, **kwargs):
        if key == "first":
            raise ValueError("it has no name")
        return real(self, key, *args, **kwargs)

    monkeypatch.setattr(omegaconf.DictConfig, "_get_full_key", naming)
    with keys_read() as read:
        with contextlib.suppress(ValueError):
            config["first"]
        assert config["second"] == 2
    assert read == {"second"}


def test_the_keys_that_a_loader_looks_up_are_seen_and_others_are_not():
    omegaconf = pytest.importorskip("omegaconf", reason="needs the DLIO environment")
    config = omegaconf.OmegaConf.create({"reader": {"batch_size": 7, "unknown": 1}, "model": {"name": "x"}})
    with keys_read() as read:
        if "batch_size" in config["reader"]:
            assert config["reader"]["batch_size"] == 7
    assert "reader.batch_size" in read
    assert "reader.unknown" not in read
    assert "model.name" not in read
    before = set(read)
    assert config["model"]["name"] == "x"
    assert read == before, "watching ended with the context"
