"""Files that are no configuration: each gets one message that names the file, and the place where there is one."""

import os
from pathlib import Path

import pytest
import yaml

from pytest_mlpstorage.config import document, load_config
from pytest_mlpstorage.errors import ConfigurationError

BOMB = "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\ndivision: whatif\n"

CASES = {
    "empty": (b"", "c.yaml: the file is empty; needed a mapping of settings, such as division: closed"),
    "only comments": (b"# nothing\n", "c.yaml: the file is empty; needed a mapping of settings, such as division: closed"),
    "only null": (b"~\n", "c.yaml: the file is empty; needed a mapping of settings, such as division: closed"),
    "binary": (b"\x7fELF\x00\x01", "c.yaml: is a binary file; needed YAML in UTF-8"),
    "latin-1": (b"division: whatif\nsystem: caf\xe9\n", "c.yaml:2:12: given the byte 0xe9, which is not UTF-8; allowed YAML in UTF-8"),
    "bell": (b"division: whatif\nsystem: a\x07b\n", "c.yaml:2:10: given the character U+0007; allowed printable text"),
    "escaped bell": (b'division: "a\\ab"\n', "c.yaml:1:11: given the character U+0007 by an escape; allowed printable text"),
    "escaped nul": (b'data_dir: "a\\0b"\n', "c.yaml:1:11: given the character U+0000 by an escape; allowed printable text"),
    "tab": (b"division: whatif\nlaunch:\n\tdeadline: 2h\n", "c.yaml:3:1: given a tab; allowed spaces for indentation"),
    "list": (b"- division\n", "c.yaml:1:1: given a list at the top; allowed a mapping of settings, such as division: closed"),
    "scalar": (b"division\n", "c.yaml:1:1: given a single value at the top; allowed a mapping of settings, such as division: closed"),
    "two documents": (b"division: whatif\n---\ndivision: open\n", "c.yaml:2:1: given a second document; allowed one document a file"),
    "anchor bomb": (BOMB.encode(), "c.yaml:1:4: given the anchor &a; allowed no anchors: write the value out"),
    "alias": (b"division: *whatif\n", "c.yaml:1:11: given the alias *whatif; allowed no aliases: write the value out"),
    "python tag": (
        b"division: !!python/object/apply:os.system [id]\n",
        "c.yaml:1:11: given the tag tag:yaml.org,2002:python/object/apply:os.system; allowed no tags",
    ),
    "custom tag": (b"division: !env DIVISION\n", "c.yaml:1:11: given the tag !env; allowed no tags"),
    "standard tag": (b"edition: !!str 3.0\n", "c.yaml:1:10: given the tag tag:yaml.org,2002:str; allowed no tags"),
    "merge key": (b"launch:\n  <<: {deadline: 2h}\n", "c.yaml:2:3: given the merge key <<; allowed no merge keys: write the values out"),
    "list as key": (b"? [a, b]\n: 1\n", "c.yaml:1:3: given a list or mapping as a key; allowed a name"),
    "empty key": (b"'': 1\n", "c.yaml:1:1: given an empty key; allowed a name"),
    "key of two lines": (b'"a\\nb": 1\n', "c.yaml:1:1: given the key 'a\\nb'; allowed a name on one line"),
    "long key": (b"a" * 201 + b": 1\n", f"c.yaml:1:1: given the key '{'a' * 60}'; allowed a name on one line"),
    "too deep": (b"a: " + b"[" * 100, "c.yaml:1:27: given more than 24 levels; allowed 24"),
    "too many": (b"a: [" + b"1," * 10_000 + b"]", "c.yaml:1:19999: given more than 10000 values; allowed 10000"),
    "too large": (b"#" * 300_000, "c.yaml: is larger than the 256 KiB that a configuration may have"),
    "unclosed": (
        b"division: whatif\nlaunch: {deadline: 2h\n",
        "c.yaml:3:1: not YAML: while parsing a flow mapping did not find expected ',' or '}'",
    ),
    "bad indentation": (
        b"division: whatif\n  system: x\n",
        "c.yaml:2:9: not YAML: mapping values are not allowed in this context",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_is_no_configuration_gets_one_message_with_its_place(name, refuse):
    content, message = CASES[name]
    assert refuse(content) == [message]


@pytest.mark.parametrize("name", [name for name in CASES if "not YAML" not in CASES[name][1]])
def test_the_parser_without_libyaml_says_the_same(name, refuse, monkeypatch):
    monkeypatch.setattr(document, "LOADER", yaml.SafeLoader)
    content, message = CASES[name]
    assert refuse(content) == [message]


def test_a_repeated_key_is_refused_at_its_second_place_and_the_rest_is_still_read(refuse, good):
    text = good.replace("system: fastfs", "system: fastfs\nsubmitter: other").replace("model: unet3d", "model: unet3d\n      model: x")
    assert refuse(text.replace("whatif", "wahtif")) == [
        "c.yaml:2:11: division: given 'wahtif'; allowed closed, open, whatif; did you mean 'whatif'?",
        "c.yaml:5:1: submitter: given twice, first at c.yaml:3:1; allowed once",
        "c.yaml:9:7: training.workloads.0.model: given twice, first at c.yaml:8:7; allowed once",
    ]


def _refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, families=(), options={}, assignments=(), environ={}, invocation_dir=path.parent)
    return caught.value.message


def test_a_directory_is_refused(tmp_path):
    (tmp_path / "c.yaml").mkdir()
    assert _refused(tmp_path / "c.yaml") == "c.yaml: is a directory; needed a YAML file"


def test_a_missing_file_is_refused(tmp_path):
    assert _refused(tmp_path / "c.yaml") == "c.yaml: cannot be read: No such file or directory"


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "c.yaml")
    assert _refused(tmp_path / "c.yaml") == "c.yaml: is a device, pipe or socket; needed a YAML file"


def test_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text("division: whatif\n")
    (tmp_path / "c.yaml").chmod(0)
    if os.access(tmp_path / "c.yaml", os.R_OK):
        pytest.skip("this user reads every file")
    assert _refused(tmp_path / "c.yaml") == "c.yaml: cannot be read: Permission denied"


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "c.yaml").symlink_to("c.yaml")
    assert _refused(tmp_path / "c.yaml") == "c.yaml: cannot be read: Too many levels of symbolic links"


def test_a_file_elsewhere_is_named_by_its_whole_path(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "c.yaml").write_text("- 1\n")
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path / "c.yaml", families=(), options={}, assignments=(), environ={}, invocation_dir=tmp_path / "here")
    assert caught.value.message.startswith(f"{tmp_path}/c.yaml:1:1: given a list at the top")


def test_a_byte_order_mark_is_no_error(load, good):
    assert load(b"\xef\xbb\xbf" + good.encode()).edition == "3.0"


def test_thousands_of_wrong_keys_are_told_in_a_moment_and_cut(refuse, load, good):
    text = good + "".join(f"wrong{i}: 1\n" for i in range(4_000))
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    lines = caught.value.message.split("\n")
    assert lines[0] == "4000 errors in the configuration:"
    assert lines[-1] == "… and 3950 more errors"
    assert len(lines) == 52
