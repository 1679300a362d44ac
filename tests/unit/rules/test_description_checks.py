"""The structure of v1.0 system descriptions against the published schema: neither laxer nor stricter."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from round_v1_tree import DESCRIPTION

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.description_structure import DescriptionStructure
from pytest_mlpstorage.rules.description_checks import MOST_MISTAKES, mistakes

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"
STRUCTURE = edition("1.0").description_structure
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 0.999, 1.0, -0.0, 10**400, 1e308]),
    st.sampled_from(["", "x", "1", "native", "guest", "yes", "no", "SSD", "ssd", "NAS - x", "NAS -", "Remote DAS - ", "Lustre", "Ethernet", "DDR5"]),
    st.lists(st.sampled_from(["a", 1, None, {}, []]), max_size=2), st.just({}),
)  # fmt: skip


def validator():
    path = CORPORA / "examples" / "v1.0_system_description.schema.json"
    if not path.is_file():
        pytest.skip("the published schema is not beside this checkout")
    return jsonschema.Draft202012Validator(json.loads(path.read_text()))


def places(node, path=()):
    """Every place in a document, as the keys that lead to it."""
    yield path
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield from places(value, (*path, key))


def changed(document, path, change):
    if not path:
        return change(document)
    copied = copy.deepcopy(document)
    *before, last = path
    at = copied
    for key in before:
        at = at[key]
    if change is None:
        del at[last]
    else:
        at[last] = change(at[last])
    return copied


WITH_ALL = copy.deepcopy(DESCRIPTION)
WITH_ALL["nodes"][0].update(node_model_name="m", node_vendor_name="v", max_power_consumption=-1)
WITH_ALL["nodes"][0]["CPU"].update(cores_per_socket=1, threads_per_socket=1.5, boost_frequency=3)
WITH_ALL["nodes"][0]["DRAM"]["frequency"] = 4800
WITH_ALL["nodes"][0]["drives"][0]["performance"] = {"read_bandwidth": "any"}
WITH_ALL["storage_system"]["solution_config_options"] = ["a"]
WITH_ALL["benchmark_hosts"][0]["benchmark_instances"].append({"mapping_type": "container", "cpu_cores": 8, "DRAM_MiB": 1024})
DOCUMENTS = (DESCRIPTION, WITH_ALL)
PLACES = [(document, path) for document in DOCUMENTS for path in places(document)]


def agree(document, check):
    found = list(mistakes(document, STRUCTURE))
    assert (found == []) == check.is_valid(document), (found, [error.message for error in check.iter_errors(document)])


@pytest.mark.parametrize("document", DOCUMENTS, ids=["what is required", "all there is"])
def test_a_valid_description_is_one_for_both(document):
    assert validator().is_valid(document)
    assert list(mistakes(document, STRUCTURE)) == []


def test_every_field_that_is_left_out_is_told_alike():
    check = validator()
    for document, path in PLACES:
        if path:
            agree(changed(document, path, None), check)


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 1, 0.999, -1, "", "1", "x", "native", "vm", "NAS - x", "xNAS - ", "Remote - x", [], [1], ["x"], [{}], {}],
    ids=repr,
)
def test_every_field_with_another_value_is_told_alike(value):
    check = validator()
    for document, path in PLACES:
        agree(changed(document, path, lambda _: value), check)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_several_changes_are_told_alike(data):
    check, document = validator(), copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from([p for p in places(document) if p] or [()]))
        value = data.draw(VALUES)
        document = changed(document, path, None if path and data.draw(st.booleans()) else lambda _, value=value: value)
    agree(document, check)


def test_the_published_descriptions_are_judged_alike():
    check = validator()
    for path in [*CORPORA.glob("v1.0/**/systems/*.[jJ]*"), CORPORA / "examples" / "v1.0_system_description.json"]:
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            continue
        agree(document, check)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ((), [], ("", "a list of 0 values", "an object")),
        (("networks", 0, "network_type"), "ethernet", ("networks.0.network_type", "'ethernet'", "one of Ethernet, InfiniBand, Other")),
        (("networks", 0, "bitrate"), -0.5, ("networks.0.bitrate", "-0.5", "at least 0")),
        (("networks", 0, "bitrate"), "200", ("networks.0.bitrate", "'200'", "a number")),
        (("networks", 0, "bitrate"), True, ("networks.0.bitrate", "true", "a number")),
        (("networks", 0, "protocols", 0), None, ("networks.0.protocols.0", "null", "a text")),
        (("networks",), {}, ("networks", "an object of 0 keys", "a list of objects")),
        (("nodes", 0), "client", ("nodes.0", "'client'", "an object")),
        (("nodes", 0, "CPU"), 5, ("nodes.0.CPU", "5", "an object")),
        (("storage_system", "version"), 1, ("storage_system.version", "1", "a text")),
        (
            ("storage_system", "solution_type"),
            "Lustre",
            ("storage_system.solution_type", "'Lustre'", "one of DAS, Remote DAS, NAS, Proprietary, Object, Other, then ' - ' and more"),
        ),
        (("benchmark_hosts", 0, "benchmark_instances", 0), {}, ("benchmark_hosts.0.benchmark_instances.0.mapping_type", None, "a text")),
    ],
)
def test_a_mistake_says_where_it_is_what_was_found_and_what_is_wanted(path, value, told):
    (found,) = mistakes(changed(DESCRIPTION, path, lambda _: value), STRUCTURE)
    assert (found.path, found.measured, found.required) == told
    assert found.message == ("a field is missing" if found.measured is None else "a field does not hold what it must")


def test_what_a_guest_was_given_is_asked_for_of_guests_only():
    instances = [{"mapping_type": name} for name in ("guest", "container", "native")]
    document = changed(DESCRIPTION, ("benchmark_hosts", 0, "benchmark_instances"), lambda _: instances)
    assert [found.path.removeprefix("benchmark_hosts.0.benchmark_instances.") for found in mistakes(document, STRUCTURE)] == [
        "0.cpu_cores", "0.DRAM_MiB", "1.cpu_cores", "1.DRAM_MiB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "told"), [(MOST_MISTAKES, MOST_MISTAKES), (MOST_MISTAKES + 1, MOST_MISTAKES + 1), (10_000, MOST_MISTAKES + 1)]
)
def test_the_same_mistake_made_often_does_not_fill_the_report(count, told):
    document = changed(DESCRIPTION, ("storage_system", "client_mount_options"), lambda _: [1] * count)
    found = list(mistakes(document, STRUCTURE))
    assert len(found) == told
    assert (found[-1].message == f"more than {MOST_MISTAKES} fields are wrong; the rest is not told") == (count > MOST_MISTAKES)


def test_a_structure_that_names_an_object_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no such object: nothing"):
        DescriptionStructure(root="a", objects={"a": {"b": {"form": "object", "of": "nothing"}}})
