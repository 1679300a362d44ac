"""The edition's vocabulary becomes the registry DLIO's."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.dlio.translate import translate_for_registry
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import value_at


def test_record_lengths_are_copied_under_the_old_names():
    found = translate_for_registry(
        {"dataset": {"record_length_bytes": 10, "record_length_bytes_stdev": 2, "record_length_bytes_resize": 4}}
    )
    assert found["dataset.record_length"] == 10
    assert found["dataset.record_length_stdev"] == 2
    assert found["dataset.record_length_resize"] == 4


def test_without_checkpoints_no_tensor_and_no_folder_of_its_own_is_made():
    found = translate_for_registry({"dataset": {"data_folder": "/d"}, "workflow": {"checkpoint": False}})
    assert found["checkpoint.model_size"] == 0
    assert found["checkpoint.layer_parameters"] == []
    assert found["checkpoint.checkpoint_folder"] == "/d"


def test_with_checkpoints_the_size_comes_from_the_model():
    found = translate_for_registry({"workflow": {"checkpoint": True}, "model": {"model_size": 499153191}})
    assert found == {"checkpoint.model_size": 499153191}


def test_a_checkpoint_size_that_was_given_is_kept():
    given = {"workflow": {"checkpoint": True}, "model": {"model_size": 1}, "checkpoint": {"model_size": 7}}
    assert translate_for_registry(given) == {}


def test_two_spellings_that_differ_are_refused():
    with pytest.raises(ConfigurationError, match="contradict"):
        translate_for_registry({"dataset": {"record_length_bytes": 10, "record_length": 11}})


def test_a_model_that_is_only_a_name_is_no_mapping_to_look_into():
    assert value_at({"model": "unet3d"}, "model.model_size") is None
