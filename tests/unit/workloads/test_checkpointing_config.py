"""What a user may get wrong in ``checkpointing:``, each told with its place, its key, what was given and what is allowed."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.editions import edition_names
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.workloads.checkpointing import WORKLOAD
from pytest_mlpstorage.workloads.training import WORKLOAD as TRAINING

HEAD = "division: closed\nsubmitter: acme\nsystem: box\n"
ENTRY = "    - model: llama3-8b\n      accelerator: b200\n      accelerators: 8\n"


def load(folder, section="", entry=ENTRY, head=HEAD, assignments=()):
    path = folder / "c.yaml"
    path.write_text(head + "checkpointing:\n" + section + "  workloads:\n" + entry)
    families = [TRAINING.schema(), WORKLOAD.schema()]
    options = {"families": families, "options": {}, "assignments": assignments, "environ": {}, "editions": edition_names()}
    return load_config(path, invocation_dir=folder, **options)


def refused(folder, **given):
    with pytest.raises(ConfigurationError) as caught:
        load(folder, **given)
    return caught.value.message


def test_an_entry_as_short_as_can_be(tmp_path):
    section = load(tmp_path).families["checkpointing"]
    assert section.own.model_dump() == {
        "invocations": "together", "between_command": None, "between_deadline": "5min", "drop_caches": True, "engine": "auto",
    }  # fmt: skip
    assert section.items[0].own.model_dump() == {
        "model": "llama3-8b", "accelerator": "b200", "accelerators": 8, "accelerators_per_host": None, "subset": False,
    }  # fmt: skip


def test_a_number_among_the_words_of_a_command_is_taken_as_it_was_written(tmp_path):
    section = "  invocations: separate\n  between_command: [sleep, 3]\n"
    assert load(tmp_path, section=section).families["checkpointing"].own.between_command == ("sleep", "3")


def test_parameters_of_the_model_may_be_written_with_dots_below_an_entry(tmp_path):
    lines = "      model.num_layers: 4\n      model.transformer: {hidden_size: 256}\n      checkpoint: {fsync: true}\n"
    (item,) = load(tmp_path, entry=ENTRY + lines).families["checkpointing"].items
    assert {key: setting.value for key, setting in item.parameters.items()} == {
        "model.num_layers": 4,
        "model.transformer.hidden_size": 256,
        "checkpoint.fsync": True,
    }


SECTIONS = {
    "  invocations: apart\n": "c.yaml:5:16: checkpointing.invocations: given 'apart'; allowed together, separate",
    "  invocations: seperate\n": "did you mean 'separate'?",
    "  between_command: [/bin/true]\n": (
        "c.yaml:5:3: checkpointing.between_command: one run writes and reads, so nothing is between; allowed only with invocations: separate"
    ),
    "  invocations: separate\n  between_command: failover --now\n": "c.yaml:6:20: checkpointing.between_command: given 'failover --now'; allowed a list",
    "  invocations: separate\n  between_command: []\n": (
        "c.yaml:6:3: checkpointing.between_command: given an empty command; allowed a program and its arguments"
    ),
    "  invocations: separate\n  between_command: ['']\n": "given an empty command",
    "  invocations: separate\n  between_command: [sleep, [3]]\n": "checkpointing.between_command.1: given a list; allowed text",
    "  between_deadline: 0s\n": "c.yaml:5:21: checkpointing.between_deadline: given '0s'; allowed a time longer than 0s",
    "  between_deadline: 30\n": "checkpointing.between_deadline: given 30",
    "  engine: dlo\n": "c.yaml:5:11: checkpointing.engine: given 'dlo'; allowed auto, dlio, mlpstorage; did you mean 'dlio'?",
    "  drop_caches: 1\n": "checkpointing.drop_caches: given 1; allowed true or false",
    "  invocation: separate\n": "checkpointing.invocation: unknown key",
    "  warmup_runs: 1\n": "c.yaml:5:3: checkpointing.warmup_runs: unknown key; allowed invocations, between_command",
}


@pytest.mark.parametrize("given", SECTIONS)
def test_a_wrong_key_of_the_section(tmp_path, given):
    assert SECTIONS[given] in refused(tmp_path, section=given)


ENTRIES = {
    ENTRY.replace(
        "8b", "8bb"
    ): "c.yaml:6:14: checkpointing.workloads.0.model: model 'llama3-8bb' is none of edition 3.0; allowed: llama3-1t, "
    "llama3-405b, llama3-70b, llama3-8b; did you mean llama3-8b?",
    ENTRY.replace("b200", "h100"): "c.yaml:7:20: checkpointing.workloads.0.accelerator: accelerator 'h100' is not in division closed "
    "(only in whatif); allowed: b200, mi355",
    ENTRY.replace("b200", "b20"): "did you mean b200?",
    ENTRY.replace("accelerators: 8", "accelerators: 0"): "checkpointing.workloads.0.accelerators: given 0; allowed 1 or more",
    ENTRY.replace("accelerators: 8", "accelerators: many"): "given 'many'; allowed an integer",
    ENTRY.replace("      accelerators: 8\n", ""): "checkpointing.workloads.0.accelerators: missing; needed simulated accelerators",
    ENTRY
    + ENTRY: "c.yaml:9:14: checkpointing.workloads.1.model: llama3-8b stands in entry 0 too; one system name holds one result a model",
    ENTRY
    + "      accelerators_per_host: 9\n": "c.yaml:9:30: checkpointing.workloads.0.accelerators_per_host: given 9; allowed at most the 8",
    ENTRY + "      accelerators_per_host: 0\n": "given 0; allowed 1 or more",
    ENTRY + "      subset: maybe\n": "checkpointing.workloads.0.subset: given 'maybe'; allowed true or false",
    ENTRY + "      model.num_layers: 0\n": "model.num_layers: given 0; allowed an integer of at least 1",
    ENTRY + "      model.transformer.hidden_size: 0\n": "given 0; allowed an integer of at least 1",
    ENTRY + "      model.parallelism.zero_stage: -1\n": "given -1; allowed an integer of at least 0",
    ENTRY + "      model.model_datatype: fp8\n": "model.model_datatype: given 'fp8'; allowed: fp16, fp32",
    ENTRY + "      model.optimizer_datatype: fp64\n": "given 'fp64'; allowed: fp16, fp32",
    ENTRY + "      checkpoint.num_checkpoints_write: -1\n": "given -1; allowed an integer of at least 0",
    ENTRY + "      checkpoint: {num_checkpoints_write: 0, num_checkpoints_read: 0}\n": (
        "c.yaml:9:68: checkpointing.workloads.0.checkpoint.num_checkpoints_read: given 0, and so is the number of checkpoints to write"
    ),
    ENTRY + "      checkpoint: {num_checkpoints_write: 2, num_checkpoints_read: 3}\n": (
        "checkpoint.num_checkpoints_read: given 3, and 2 are written; allowed at most as many as are written"
    ),
    ENTRY + "      checkpoint: {checkpoint_folder: chk}\n": (
        "c.yaml:9:39: checkpointing.workloads.0.checkpoint.checkpoint_folder: given 'chk'; allowed an absolute path"
    ),
    ENTRY + "      checkpoint: {mode: subse}\n": "checkpoint.mode: given 'subse'; allowed: default, subset; did you mean subset?",
    ENTRY + "      checkpoint: {mode: subset}\n": "checkpoint.mode: given 'subset' without model.parallelism.data; allowed with",
    ENTRY + "      model.parallelism.data: 4\n": (
        "c.yaml:9:31: checkpointing.workloads.0.model.parallelism.data: given 4, and checkpoint.mode is not subset; allowed only with"
    ),
    ENTRY
    + "      checkpoint: {time_between_checkpoints: 5}\n": "checkpoint.time_between_checkpoints: given 5; a time with its unit is needed",
    ENTRY + "      checkpoint: {fsink: true}\n": "did you mean 'checkpoint.fsync'?",
    ENTRY + "      reader: {read_threads: 4}\n": "checkpointing.workloads.0.reader.read_threads: unknown key",
}


@pytest.mark.parametrize("given", ENTRIES)
def test_a_wrong_entry(tmp_path, given):
    assert ENTRIES[given] in refused(tmp_path, entry=given)


def test_an_edition_without_checkpointing(tmp_path):
    assert "checkpointing.workloads.0.model: edition 1.0 has no checkpointing; allowed in edition 2.0 and later" in refused(
        tmp_path, head='edition: "1.0"\n' + HEAD
    )


def test_an_accelerator_of_another_division_is_right_there(tmp_path):
    entry = ENTRY.replace("b200", "h100")
    assert load(tmp_path, entry=entry, head=HEAD.replace("closed", "whatif")).families["checkpointing"].items[0].own.accelerator == "h100"


def test_a_parameter_of_the_option_is_refused_at_the_option(tmp_path):
    message = refused(tmp_path, assignments=("checkpointing.model.parallelism.data=4",))
    assert message.startswith("--mlps-set")
    assert "given 4, and checkpoint.mode is not subset" in message


def test_all_errors_are_told_at_once(tmp_path):
    message = refused(tmp_path, section="  engine: x\n", entry=ENTRY.replace("b200", "x") + "      checkpoint: {mode: x}\n")
    assert message.startswith("3 errors in the configuration:")


def test_no_official_key_of_training_alone_is_taken(tmp_path):
    keys = WORKLOAD.schema().official_keys
    assert {key.split(".")[0] for key in keys} == {"checkpoint", "model", "storage", "framework"}
    assert "checkpoint.fsync" in keys
