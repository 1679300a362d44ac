"""What a user may get wrong in ``kvcache:``, each told with its place, its key, what was given and what is allowed."""

from __future__ import annotations

from pathlib import Path

import kv_cache_cases as cases
import pytest

from pytest_mlpstorage.errors import ConfigurationError


def refused(folder, section, *assignments):
    with pytest.raises(ConfigurationError) as caught:
        cases.load(folder, cases.text(section), *assignments)
    return caught.value.message


def test_a_section_as_short_as_can_be_asks_for_the_options_of_the_edition(tmp_path):
    section = cases.load(tmp_path, cases.text(cases.CLOSED)).families["kvcache"]
    given = {key: value for key, value in section.own.model_dump().items() if value is not None}
    assert given == {
        "profile": "mlc-v3",
        "engine": "native",
        "clients_per_host": 1,
        "preconditioned": False,
        "precondition": False,
        "io": {"path": "direct", "chunk": None, "durability": "fsync", "layout": None, "verify": "stamps", "compressible_fraction": 0.0},
    }
    assert [item.own.option for item in section.items] == [1, 2, 3]


SECTIONS = {
    "  num_user: 8\n": "c.yaml:5:3: kvcache.num_user: unknown key; allowed profile,",
    "  num_user: 8 \n": "did you mean 'num_users'?",
    "  num_users: 0\n": "c.yaml:5:14: kvcache.num_users: given 0; allowed 1 or more",
    "  num_users: 100001\n": "kvcache.num_users: given 100001; allowed 100000 or less",
    "  profile: mlcv3\n": "kvcache.profile: given 'mlcv3'; allowed mlc-v3, serving, replay; did you mean 'mlc-v3'?",
    "  engine: offical\n": "c.yaml:5:11: kvcache.engine: given 'offical'; allowed native, official; did you mean 'official'?",
    "  official_path: copy\n": "c.yaml:5:18: kvcache.official_path: given 'copy'; allowed an absolute path",
    "  official_python: ''\n": "kvcache.official_python: given ''",
    "  cache_dir: there\n": "c.yaml:5:14: kvcache.cache_dir: given 'there'; allowed an absolute path",
    "  duration: 0s\n": "kvcache.duration: given '0s'; allowed a time longer than 0s",
    "  duration: 25h\n": "kvcache.duration: given '25h'; allowed at most 86400 s",
    "  duration: 300\n": "kvcache.duration: given 300",
    "  start_delay: soon\n": "kvcache.start_delay: given 'soon'",
    "  cpu_mem: 4gb\n": "did you mean 4GB?",
    "  trials: 0\n": "kvcache.trials: given 0; allowed 1 or more",
    "  seed: -1\n": "kvcache.seed: given -1; allowed 0 or more",
    "  clients_per_host: 0\n": "kvcache.clients_per_host: given 0; allowed 1 or more",
    "  generation_mode: slow\n": "kvcache.generation_mode: given 'slow'; allowed none, fast, realistic",
    "  io: {path: directt}\n": "c.yaml:5:14: kvcache.io.path: given 'directt'; allowed direct, buffered; did you mean 'direct'?",
    "  io: {chunk: 3MiB}\n": "kvcache.io.chunk: given '3MiB'; allowed a power of two from 128KiB to 2MiB",
    "  io: {chunk: 64KiB}\n": "kvcache.io.chunk: given '64KiB'; allowed a power of two",
    "  io: {chunk: 4MiB}\n": "kvcache.io.chunk: given '4MiB'; allowed a power of two",
    "  io: {verify: never}\n": "kvcache.io.verify: given 'never'; allowed stamps, full, sample",
    "  io: {compressible_fraction: 1.5}\n": "kvcache.io.compressible_fraction: given 1.5; allowed 1.0 or less",
}


@pytest.mark.parametrize(("section", "words"), SECTIONS.items())
def test_a_key_of_the_section_that_cannot_be_is_told_with_its_place(section, words, tmp_path):
    assert words in refused(tmp_path, section + cases.CLOSED)


OPTIONS = {
    "    - option: 4\n": "c.yaml:6:15: kvcache.options.0.option: option 4 is none of edition 3.0; allowed: 1, 2, 3",
    "    - option: 1\n    - option: 1\n": "c.yaml:7:15: kvcache.options.1.option: given 1, as in entry 0; allowed each option once",
    "    - option: 2\n    - option: 1\n": "c.yaml:7:15: kvcache.options.1.option: given 1 after 2; allowed options in the order of their numbers",
    "    - num_users: 3\n": "kvcache.options.0.option: missing",
    "    - option: 1\n      trials: 3\n": "kvcache.options.0.trials: unknown key",
    "    - option: 1\n      num_users: many\n": "kvcache.options.0.num_users: given 'many'",
}


@pytest.mark.parametrize(("entries", "words"), OPTIONS.items())
def test_an_option_that_cannot_be_is_told_with_its_place(entries, words, tmp_path):
    assert words in refused(tmp_path, "  options:\n" + entries)


def test_a_section_without_options_is_refused(tmp_path):
    assert "kvcache.options: missing" in refused(tmp_path, "  trials: 3\n")


def test_a_value_of_one_option_can_be_set_for_one_start(tmp_path):
    config = cases.load(tmp_path, cases.text(cases.CLOSED), "kvcache.options.1.num_users=7", "kvcache.io.path=buffered")
    assert [item.own.num_users for item in config.families["kvcache"].items] == [None, 7, None]
    assert config.families["kvcache"].own.io.path == "buffered"


def test_the_longest_duration_and_the_extreme_chunks_are_taken(tmp_path):
    for chunk in ("128KiB", "2MiB"):
        config = cases.load(tmp_path, cases.text(f"  duration: 24h\n  io: {{chunk: {chunk}}}\n" + cases.CLOSED))
        assert config.families["kvcache"].own.io.chunk == chunk


def test_a_cache_directory_of_its_own_is_looked_at_and_locked_with_the_storage_under_test(tmp_path):
    config = cases.load(tmp_path, cases.text("  cache_dir: /mnt/fast\n" + cases.CLOSED))
    assert config.storage_dirs == (tmp_path / "mlps-data", Path("/mnt/fast"))


def test_a_blank_that_a_user_fills_in_collects(tmp_path):
    config = cases.load(tmp_path, cases.text('  cache_dir: "<fast>"\n' + cases.CLOSED))
    assert [place.key for place in config.placeholders] == ["kvcache.cache_dir"]
    assert config.storage_dirs == (tmp_path / "mlps-data",), "other families run, and nobody locks a folder of that name"
