"""The JSON schema says of a YAML what the loader says of it."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pytest_mlpstorage.config import json_schema, schema_text, write_schema

CONFIGS = Path(__file__).parents[3] / "configs"


def _errors(schema, text):
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text))]


@pytest.fixture
def schema(training):
    return json_schema([training])


def test_the_schema_is_valid_draft_7_and_uses_nothing_newer(schema):
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    for newer in ("$defs", "prefixItems", "unevaluatedProperties", "dependentRequired"):
        assert newer not in text


def test_every_key_has_a_description_for_the_editor(schema):
    for name in ("edition", "division", "submitter", "system", "data_dir", "results_dir", "cluster", "launch"):
        assert schema["properties"][name]["description"], name
    entry = schema["properties"]["training"]["properties"]["workloads"]["items"]["properties"]
    assert entry["model"]["description"] == "Model of the edition, such as unet3d"
    assert entry["dataset"] == {"$ref": "#/definitions/training.dataset"}
    reference = {"$ref": "#/definitions/training.dataset.num_files_train"}
    assert schema["definitions"]["training.dataset"]["properties"]["num_files_train"] == reference
    assert entry["dataset.num_files_train"] == reference
    assert schema["definitions"]["training.dataset.num_files_train"] == {
        "type": "integer",
        "description": "Files to train on (2.0.0, 3.0.0)",
    }


@pytest.mark.parametrize(
    "more",
    [
        "",
        "launch: {deadline: 2h, mpi_args: [--mca, btl, tcp], oversubscribe: true}\n",
        "cluster: {hosts: [a, 'b:4', '<host>'], memory_per_host: 1.5 GiB}\n",
        "      reader.read_threads: 4\n",
        "      dataset: {record_length_bytes: 4MiB, num_files_train: 7}\n",
        "      reader: {transfer_size: 256KiB, odirect: false}\n",
        "      storage: {timeout: 3s, grace_seconds: 5, storage_options: {a: [1]}}\n",
        "      checkpoint: {shard_bytes: 5}\n",
    ],
)
def test_what_the_loader_takes_the_schema_takes(more, schema, load, good):
    load(good + more)
    assert _errors(schema, good + more) == []
    assert _errors(schema, good.replace('"3.0"', "3.0") + more) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("division: whatif\n", ""),
        ("whatif", "closd"),
        ("fastfs", "a b"),
        ("training:", "trainin: 1\ntraining:"),
        ("training:", "launch: {deadline: 300}\ntraining:"),
        ("training:", "cluster: {memory_per_host: 512gb}\ntraining:"),
        ("training:", "cluster: {hosts: []}\ntraining:"),
        ("  workloads:\n    - model: unet3d\n      accelerator: b200\n      accelerators: 2\n", "  warmup_runs: 1\n"),
        ("accelerators: 2", "accelerators: 2.5"),
        ("accelerators: 2", "accelerators: 0"),
        ("accelerators: 2", "accelerators: 2\n      read_threads: 3"),
        ("accelerators: 2", "accelerators: 2\n      reader: {read_treads: 3}"),
        ("accelerators: 2", "accelerators: 2\n      reader: {read_threads: x}"),
        ("accelerators: 2", "accelerators: 2\n      reader: {transfer_size: 3}"),
        ("accelerators: 2", "accelerators: 2\n      model: {name: x}"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(old, new, schema, refuse, good):
    text = good.replace(old, new)
    assert refuse(text)
    assert _errors(schema, text)


def test_the_schema_is_written_the_same_every_time(tmp_path, training):
    write_schema(tmp_path / "schema.json", [training])
    assert (tmp_path / "schema.json").read_text() == schema_text([training])
    assert json.loads(schema_text([training])) == json_schema([training])


@pytest.mark.parametrize("name", ["quick.yaml", "closed.yaml", "open.yaml"])
def test_the_first_line_of_a_shipped_configuration_leads_the_editor_to_the_schema(name):
    assert (CONFIGS / name).read_text().startswith("# yaml-language-server: $schema=./schema.json\n")
