"""Whatever bytes, values and words come: an answer or one ConfigurationError, never another exception."""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.config import did_you_mean, load_config, nearest
from pytest_mlpstorage.errors import ConfigurationError

QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["edition", "division", "submitter", "system", "data_dir", "results_dir", "cluster", "launch", "training", "kvcache"]
)


def _load(content, *, training, assignments=(), environ=None):
    with TemporaryDirectory() as directory:
        path = Path(directory) / "c.yaml"
        path.write_bytes(content)
        try:
            return load_config(
                path, families=[training], options={}, assignments=assignments, environ=environ or {}, invocation_dir=Path(directory)
            )
        except ConfigurationError as error:
            lines = error.message.split("\n")
            assert all(line.startswith(("c.yaml", "--mlps-set", "MLPS_", "… and ")) for line in lines[len(lines) > 1 :])
            return None


@given(content=st.binary(max_size=200) | st.text(alphabet="ab:-[]{},#&*!|>'\"%@`? \n\t<0", max_size=60).map(str.encode))
@QUIET
def test_any_bytes_are_read_or_refused(content, training):
    assert _load(content, training=training) is None


@given(data=st.dictionaries(KEYS, JSON, max_size=6))
@QUIET
def test_any_mapping_is_read_or_refused(data, training):
    _load(json.dumps(data).encode(), training=training)
    _load(yaml.safe_dump(data).encode(), training=training)


@given(section=JSON, entry=JSON)
@QUIET
def test_any_section_of_a_family_is_refused_with_its_place(section, entry, training):
    for value in (section, {"workloads": [entry]}, {"workloads": entry}, {"reader": entry}):
        text = "division: whatif\nsubmitter: a\nsystem: b\ntraining: " + json.dumps(value) + "\n"
        assert _load(text.encode(), training=training) is None


@given(assignment=st.text(max_size=40) | st.builds("{}={}".format, KEYS | st.just("training.workloads.0.model"), st.text(max_size=20)))
@QUIET
def test_any_assignment_and_variable_are_taken_or_refused(assignment, training, good):
    _load(good.encode(), training=training, assignments=[assignment], environ={"MLPS_SYSTEM": assignment.replace("\0", "")})


@given(
    data=st.dictionaries(
        st.sampled_from(["submitter", "system"]), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", fullmatch=True), min_size=2
    )
)
@QUIET
def test_a_name_comes_out_as_it_was_written_quoted(data, training, good):
    text = good.replace("acme", json.dumps(data["submitter"])).replace("fastfs", json.dumps(data["system"]))
    config = _load(text.encode(), training=training)
    assert config is not None
    assert (config.submitter, config.system) == (data["submitter"], data["system"])


@given(word=st.text(max_size=30), candidates=st.lists(st.text(min_size=1, max_size=12), max_size=8))
@QUIET
def test_the_nearest_word_is_one_of_the_candidates(word, candidates):
    near = nearest(word, candidates)
    assert set(near) <= set(candidates)
    assert len(near) <= 3
    assert (did_you_mean(word, candidates) == "") == (not near)


@pytest.mark.parametrize(
    "text", ["a: " + "[" * 100_000, "a: " + "{b: " * 60_000, "- " * 100_000, "a: " + "9" * 200_000, '"' * 250_000, "? " * 100_000]
)
def test_a_file_made_to_be_slow_is_refused_in_time(text, training):
    started = time.perf_counter()
    assert _load(text.encode(), training=training) is None
    assert time.perf_counter() - started < 5
