"""A draft of a system description: what is known is in it, what a person must say is marked, and filled in it is valid."""

import re
from types import SimpleNamespace

import pytest
import yaml

from pytest_mlpstorage.describe import client_groups, describe_system
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_submission import read_system
from pytest_mlpstorage.results.system_draft import Client, draft_text, marked_fields, write_draft
from pytest_mlpstorage.rules import evaluate
from pytest_mlpstorage.verdict import Division

SCHEMA = edition("3.0").system_description
ONE = Client(3, "Chip 9", 2, 64, 377, "Rocky Linux", "9.7")


def draft(*clients):
    text = draft_text("fastfs", clients or (ONE,), SCHEMA, benchmark_api="file", version="0.1.0")
    return text, yaml.safe_load(text)["system_under_test"]


def test_what_was_collected_is_filled_in():
    _, block = draft()
    (client,) = block["clients"]
    assert client["quantity"] == 3
    assert {key: client["chassis"][key] for key in ("cpu_model", "cpu_qty", "cpu_cores", "memory_capacity")} == {
        "cpu_model": "Chip 9",
        "cpu_qty": 2,
        "cpu_cores": 64,
        "memory_capacity": 377,
    }
    assert client["operating_system"] == {"name": "Rocky Linux", "version": "9.7"}
    assert (block["solution"]["submission_name"], block["solution"]["architecture"]["benchmark_API"]) == ("fastfs", "file")


def test_nothing_of_the_product_is_guessed():
    text, block = draft()
    (node,) = block["product_nodes"]
    left = {path.partition(".")[2] for path in marked_fields({"n": node})}
    leaves = re.findall(r"^ *(?:- )?(\w+): ", yaml.safe_dump(node), re.MULTILINE)
    assert len(left) == len(leaves) + 1  # traffic is a list with one mark
    assert all(word in text for word in ("<fill in: one of remote, local, remote_and_local>", "<fill in: a number in TiB>"))


def test_what_is_not_known_of_a_client_is_marked():
    _, block = draft(Client(1, "", 0, 0, 1, "", "12"))
    (client,) = block["clients"]
    assert client["chassis"]["cpu_qty"].startswith("<fill in")
    assert client["operating_system"] == {"name": "<fill in: a text>", "version": "12"}


def test_each_kind_of_client_is_a_block():
    _, block = draft(ONE, Client(1, "Chip 8", 1, 8, 64, "Debian", "12"))
    assert [client["quantity"] for client in block["clients"]] == [3, 1]


def said(tmp_path, text):
    (tmp_path / "closed/acme/systems").mkdir(parents=True, exist_ok=True)
    (tmp_path / "closed/acme/systems/fastfs.yaml").write_text(text)
    place = SubjectPlace("system", "closed/acme/systems/fastfs.yaml", Division.CLOSED, "3.0", submitter="acme", system="fastfs")
    return [f for e in evaluate(read_system(place, root=tmp_path)) for f in e.findings]


def test_the_rules_refuse_a_draft_in_one_clear_line(tmp_path):
    found = said(tmp_path, draft()[0])
    (line,) = [f.line() for f in found if f.rule == "MLPS-DRAFT-1"]
    assert "the description is a draft: fields are still to be filled in" in line
    assert not [f for f in found if "no such field" in f.message]


VALUES = {
    "storage_location": "remote", "product_API": "file", "client_footprint": "open_source", "client_installation": "in_box",
    "multi_host": True, "simultaneous_write": True, "simultaneous_read": True, "remap_time_in_seconds": 0, "availability": "available",
    "deployment": "onprem", "efficiency": "Gold", "type": "ethernet", "state": "up", "interface": "nvme", "media_type": "TLC",
}  # fmt: skip


def fill(node):
    if isinstance(node, dict):
        return {key: (VALUES.get(key, 1) if isinstance(v, str) and v.startswith("<fill in") else fill(v)) for key, v in node.items()}
    if isinstance(node, list):
        return ["data" if isinstance(v, str) and v.startswith("<fill in") else fill(v) for v in node]
    return node


def test_a_draft_in_which_every_mark_is_replaced_satisfies_the_schema(tmp_path):
    assert said(tmp_path, yaml.safe_dump(fill(yaml.safe_load(draft()[0])))) == []


def test_a_description_of_a_person_is_never_overwritten(tmp_path):
    path = tmp_path / "systems/fastfs.yaml"
    write_draft(path, "mine")
    with pytest.raises(FileSystemError, match="nothing is overwritten"):
        write_draft(path, "other")
    assert path.read_text() == "mine"
    assert [p.name for p in path.parent.iterdir()] == ["fastfs.yaml"]


def test_a_file_in_the_place_of_the_folder_is_said_to_be_one(tmp_path):
    (tmp_path / "systems").write_text("")
    with pytest.raises(FileSystemError, match="cannot write the draft of a system description"):
        write_draft(tmp_path / "systems/fastfs.yaml", "x")


def test_a_link_is_never_written_through(tmp_path):
    (tmp_path / "fastfs.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileSystemError, match="nothing is overwritten"):
        write_draft(tmp_path / "fastfs.yaml", "x")
    assert not (tmp_path / "elsewhere").exists()


# -- from hosts -----------------------------------------------------------------------------------------------------------


def host(**given):
    values = {
        "cpu_model": "Chip",
        "sockets": 2,
        "cores": 64,
        "memory_bytes": 377 * 2**30,
        "os_release": {"NAME": "Linux", "VERSION_ID": "9"},
    }
    return SimpleNamespace(**{**values, **given})


def test_equal_hosts_are_one_kind_and_others_are_kinds_of_their_own():
    few = 2**20  # what firmware takes is not a different machine
    hosts = [host(), host(memory_bytes=377 * 2**30 - few), host(cores=32), host()]
    assert client_groups(hosts) == [Client(3, "Chip", 2, 64, 377, "Linux", "9"), Client(1, "Chip", 2, 32, 377, "Linux", "9")]


def test_an_operating_system_without_a_name_is_not_known():
    assert client_groups([host(os_release={})]) == [Client(1, "Chip", 2, 64, 377, "", "")]


def session(tmp_path, *, dry_run=False, **given):
    config = {
        "blanks": tuple,
        "edition": "3.0",
        "system": "fastfs",
        "submitter": "acme",
        "division": Division.OPEN,
        "results_dir": tmp_path,
    }
    config = SimpleNamespace(**{**config, **given})
    return SimpleNamespace(config=config, dry_run=dry_run, cluster=lambda: SimpleNamespace(hosts=[host()]))


def test_the_draft_goes_to_its_place_in_the_submission_and_says_what_is_left(tmp_path):
    first, second = describe_system(session(tmp_path))
    path = tmp_path / "open/acme/systems/fastfs.yaml"
    assert str(path) in first
    assert second.startswith(f"{len(list(marked_fields(yaml.safe_load(path.read_text()))))} values are marked")


def test_a_dry_run_shows_the_draft_and_writes_nothing(tmp_path):
    first, text = describe_system(session(tmp_path, dry_run=True))
    assert first == f"dry run: would draft {tmp_path}/open/acme/systems/fastfs.yaml:"
    assert yaml.safe_load(text)["system_under_test"]["solution"]["submission_name"] == "fastfs"
    assert list(tmp_path.iterdir()) == []


def test_placeholders_and_editions_without_a_schema_are_errors(tmp_path):
    with pytest.raises(ConfigurationError, match="placeholders: system"):
        describe_system(session(tmp_path, blanks=lambda: (SimpleNamespace(key="system"),)))
    with pytest.raises(ConfigurationError, match="no schema"):
        describe_system(session(tmp_path, edition="2.0"))
    assert list(tmp_path.iterdir()) == []
