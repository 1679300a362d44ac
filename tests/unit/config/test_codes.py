"""The codes of what is wrong with a configuration."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.config import find_config
from pytest_mlpstorage.errors import ConfigurationError

HEAD = "division: whatif\nsubmitter: acme\nsystem: box\n"
KV = HEAD + "kvcache: {}\n"

CODES = {
    "an empty file": ("", (), "MLPS-E102"),
    "a list at the top": ("- a\n", (), "MLPS-E102"),
    "no YAML": ("a: [\n", (), "MLPS-E102"),
    "an anchor": ("a: &a x\n", (), "MLPS-E102"),
    "an unknown key": (KV + "sistem: x\n", (), "MLPS-E110"),
    "an unknown official key": (HEAD + "kvcache: {num_user: 3}\n", (), "MLPS-E110"),
    "an unknown key of an option": (KV, ("num_user=3",), "MLPS-E110"),
    "a key of a family that is not configured": (KV, ("training.reader.read_threads=3",), "MLPS-E110"),
    "a wrong type": (HEAD + "kvcache: {num_users: many}\n", (), "MLPS-E111"),
    "no unit": (KV + "launch: {deadline: 300}\n", (), "MLPS-E111"),
    "an assignment without a value": (KV, ("division",), "MLPS-E111"),
    "nothing given for a key that is needed": ("division: whatif\nsystem: box\nkvcache: {}\n", (), "MLPS-E112"),
    "hosts that are not asked, without their memory": (KV + "cluster: {collect: declared}\n", (), "MLPS-E112"),
    "no family": (HEAD, (), "MLPS-E112"),
    "a key twice": (KV + "system: box\n", (), "MLPS-E113"),
    "a word that is none of those allowed": (KV.replace("whatif", "closd"), (), "MLPS-E114"),
    "an entry of a family": (
        HEAD + "training:\n  workloads:\n" + 2 * "    - {model: unet3d, accelerator: b200, accelerators: 2}\n",
        (),
        "MLPS-E114",
    ),
    "a placeholder beside another error": (KV.replace("acme", "<you>") + "system: box\n", (), "MLPS-E100"),
    "an option against an assignment": (KV, ("results_dir=a",), "MLPS-E113"),
    "hosts of no allocation": (KV + "cluster: {hosts: allocation}\n", (), "MLPS-E121"),
    "a host file that is not there": (KV + "cluster: {host_file: none}\n", (), "MLPS-E121"),
    "data around the results": (KV + "data_dir: d\nresults_dir: d/r\n", (), "MLPS-E118"),
}


@pytest.mark.parametrize("name", CODES)
def test_an_error_has_the_code_of_its_kind(load, name):
    text, assignments, code = CODES[name]
    options = {"results_dir": "b"} if name == "an option against an assignment" else {}
    with pytest.raises(ConfigurationError) as caught:
        load(text, *assignments, options=options)
    assert caught.value.code == code, caught.value
    assert ("[MLPS-E" in caught.value.message) == (code == "MLPS-E100")


def test_several_errors_of_one_kind_have_its_code(load):
    with pytest.raises(ConfigurationError) as caught:
        load(KV + "sistem: x\nsubmiter: y\n")
    assert caught.value.code == "MLPS-E110"
    assert caught.value.message.startswith("2 errors in the configuration:\n")
    assert "[MLPS-E" not in caught.value.message


def test_several_errors_of_several_kinds_have_their_codes_in_their_lines(load):
    with pytest.raises(ConfigurationError) as caught:
        load(KV + "sistem: x\nlaunch: {deadline: 300}\n")
    assert caught.value.code == "MLPS-E100"
    assert [line[-len("[MLPS-E110]") :] for line in caught.value.message.splitlines()[1:]] == ["[MLPS-E110]", "[MLPS-E111]"]


def test_a_file_that_is_not_there_has_a_code(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        find_config("closd.yaml", invocation_dir=tmp_path, config_dirs=())
    assert caught.value.code == "MLPS-E101"
