"""The core-config hash: every published one is reproduced from the editions' data."""

from pathlib import Path

import pytest
import yaml

from pytest_mlpstorage.editions import edition, edition_names
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.editions.core_config import core_config, core_config_hash
from pytest_mlpstorage.errors import ConfigurationError

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"

# Written down once more from the published table, so that the data cannot drift together with its own test.
PUBLISHED = {
    "3.0": {
        "0d3ad0dec188becd", "f636f5a57473fca2", "20c73f53486caba0", "66c43604eb650987",
        "68df04b7240e3fb0", "3c53fe70d64f91d4", "7adcfa87a5c4c8e6", "45fd627ad9dc5f4c",
    },
    "2.0": {
        "691cea309c4f2f52", "0f3dd7a4bf6433a3", "4a03838105aa5808", "03a7be3df904e1e7", "b49b896e947a408b", "4b7b36339a2a5b0d",
        "68df04b7240e3fb0", "c48a92d225d70ce8", "7e9f853cebd52aa6", "0918b2db633242db",
    },
    "1.0": {
        "4c86124e6f33db13", "f4d46006aa421634", "61ae77b994223584", "c8ec10780f4c9bd7", "329a3541eb5c1a36", "54541a1d49e87763",
    },
}  # fmt: skip


def hashes_from_data(name):
    book = edition(name)
    for title, entry in book.comparability_classes.items():
        if not isinstance(entry.hashes, Unknown):
            for published in entry.hashes:
                yield title, entry, published


def with_changes(parameters, changes):
    for key, value in changes.items():
        *groups, last = key.split(".")
        at = parameters
        for group in groups:
            at = at[group]
        at[last] = value
    return parameters


REPRODUCIBLE = [
    pytest.param(name, entry.family, published, id=f"{name}-{title}-{published.hash}")
    for name in edition_names()
    for title, entry, published in hashes_from_data(name)
    if published.template
]


@pytest.mark.parametrize(("name", "family", "published"), REPRODUCIBLE)
def test_a_published_hash_is_recomputed_from_the_template_of_the_edition(name, family, published):
    parameters = with_changes(edition(name).template_parameters(published.template, family), published.changes)
    assert core_config_hash(parameters, family) == published.hash


@pytest.mark.parametrize("name", edition_names())
def test_every_published_hash_of_an_edition_stands_in_its_data_and_is_reproduced(name):
    assert {published.hash for _, _, published in hashes_from_data(name) if published.template} == PUBLISHED[name]


@pytest.mark.parametrize("name", edition_names())
def test_a_hash_that_is_not_reproduced_says_why(name):
    assert all(published.template or published.unreproduced for _, _, published in hashes_from_data(name))


@pytest.mark.parametrize("name", edition_names())
def test_each_template_marked_verified_is_behind_a_published_hash(name):
    book = edition(name)
    behind = {published.template for _, _, published in hashes_from_data(name)}
    verified = {t.name for t in book.training.templates.values() if t.verified_hash}
    if book.checkpointing is not None:
        verified |= {m for m, entry in book.checkpointing.models.items() if entry.verified_hash}
    assert verified == behind - {""}


def test_what_does_not_change_the_work_does_not_change_the_hash():
    parameters = edition("3.0").template_parameters("unet3d_b200", "training")
    before = core_config_hash(parameters, "training")
    parameters["dataset"]["num_files_train"] = 1
    parameters["reader"]["read_threads"] = 64
    parameters["checkpoint"]["checkpoint_folder"] = "/elsewhere"
    assert core_config_hash(parameters, "training") == before


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("train", "epochs", 4),
        ("reader", "batch_size", 8),
        ("train", "computation_time", 0.1),
        ("metric", "au", 0.5),
        ("dataset", "format", "npy"),
    ],
)
def test_what_changes_the_work_changes_the_hash(group, key, value):
    parameters = edition("3.0").template_parameters("unet3d_b200", "training")
    before = core_config_hash(parameters, "training")
    parameters[group][key] = value
    assert core_config_hash(parameters, "training") != before


def test_a_value_recorded_as_text_is_not_the_same_as_the_number():
    parameters = edition("3.0").template_parameters("unet3d_b200", "training")
    before = core_config_hash(parameters, "training")
    parameters["workflow"]["checkpoint"] = "True"
    assert core_config_hash(parameters, "training") not in {before, "f636f5a57473fca2"}


def test_the_number_of_checkpoints_does_not_change_the_hash_of_a_checkpoint():
    parameters = edition("3.0").template_parameters("llama3-8b", "checkpointing")
    parameters["checkpoint"]["num_checkpoints_read"] = 0
    assert core_config_hash(parameters, "checkpointing") == "68df04b7240e3fb0"


def test_read_only_parameters_can_be_hashed_as_they_are():
    template = edition("3.0").training.template("retinanet", "b200")
    assert core_config_hash(template.parameters, "training") == "20c73f53486caba0"


def test_the_core_config_is_flat_and_sorted():
    flat = core_config(edition("3.0").template_parameters("retinanet_b200", "training"), "training")
    assert list(flat) == sorted(flat)
    assert flat["model.name"] == "retinanet"
    assert "reader.read_threads" not in flat


def test_a_family_whose_hash_is_not_published_is_refused_with_what_is():
    with pytest.raises(ConfigurationError, match=r"kv_cache.*not published; allowed: checkpointing, training"):
        core_config({}, "kv_cache")


PUBLISHED_CONFIGS = [
    pytest.param(CORPORA / "examples" / name, family, expected, id=name)
    for name, family, expected in (
        ("v3.0_dlio_config_training.yaml", "training", "20c73f53486caba0"),
        ("v3.0_dlio_config_checkpointing_405b.yaml", "checkpointing", "7adcfa87a5c4c8e6"),
        ("v1.0_configs_config.yaml", "training", "c8ec10780f4c9bd7"),
    )
]


@pytest.mark.skipif(not CORPORA.exists(), reason="the published submissions are not beside this repository")
@pytest.mark.parametrize(("path", "family", "expected"), PUBLISHED_CONFIGS)
def test_a_leaf_of_a_published_submission_has_the_hash_of_its_class(path, family, expected):
    workload = yaml.safe_load(path.read_text())["workload"]
    assert core_config_hash(workload, family) == expected
