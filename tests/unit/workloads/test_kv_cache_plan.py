"""What the plan of the KV cache holds: the edition's options, the sequence, the time it takes, and what it records."""

from __future__ import annotations

import kv_cache_cases as cases
import pytest
from kv_cache_cases import plan_of

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.rules.kv_cache_commands import passes_of, recorded_options
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD

NINE = [f"option{option}-trial{trial}" for option in (1, 2, 3) for trial in range(3)]


def test_a_closed_plan_is_nine_passes_of_the_edition_and_4500_seconds_beside_the_last_requests(tmp_path):
    plan = plan_of(tmp_path)
    assert [step.name for step in plan.case.steps] == NINE
    assert sum(map(plan.planned_seconds, plan.case.steps)) == 4500
    assert [plan.option(step).drain_seconds for step in plan.case.steps] == [402.0] * 3 + [202.0] * 3 + [142.0] * 3
    assert any("9 passes (3 options × 3 trials), seed 42 + rank: 4500 s" in line and "2 s × (users + 1)" in line for line in plan.lines())


def test_the_pause_between_options_lies_before_the_first_pass_of_the_later_one(tmp_path):
    plan = plan_of(tmp_path)
    assert [plan.delay_before(step) for step in plan.case.steps] == [90, 90, 90, 180, 90, 90, 180, 90, 90]


def test_the_options_are_those_of_the_edition(tmp_path):
    one, two, three = plan_of(tmp_path).options
    assert (one.model, one.users, one.duration_seconds, one.gpu_bytes, one.cpu_bytes, one.allocations) == (
        "llama3.1-8b",
        200,
        300,
        0,
        0,
        16,
    )
    assert (two.users, two.cpu_bytes, two.allocations, two.generation_mode) == (100, 4 * GIB, 16, "none")
    assert (three.model, three.users, three.allocations) == ("llama3.1-70b-instruct", 70, 4)
    assert (one.bytes_per_token, one.largest_entry_bytes) == (131072, 25000 * 131072)


def test_what_an_option_says_goes_before_what_the_section_says_and_that_before_the_edition(tmp_path):
    section = "  num_users: 5\n  cpu_mem: 1GiB\n  options:\n    - option: 1\n    - option: 2\n      num_users: 6\n      cpu_mem: 0.5GiB\n"
    one, two = plan_of(tmp_path, section, division="open").options
    assert (one.users, one.cpu_bytes, two.users, two.cpu_bytes) == (5, GIB, 6, GIB // 2)
    assert (one.duration_seconds, two.duration_seconds) == (300, 300)


def test_a_model_that_nobody_knows_is_refused_at_its_place_with_the_nearest(tmp_path):
    with pytest.raises(ConfigurationError, match=r"c.yaml:7:14: model 'llama3.1-8' of option 1 is none.*did you mean llama3.1-8b\?"):
        plan_of(tmp_path, "  options:\n    - option: 1\n      model: llama3.1-8\n")
    with pytest.raises(ConfigurationError, match=r"c.yaml:5:10: model 'x' of option 1 is none"):
        plan_of(tmp_path, "  model: x\n" + cases.CLOSED)


def test_a_workload_file_is_found_beside_the_configuration_and_may_bring_models(tmp_path):
    (tmp_path / "w.yaml").write_text(
        "model_configs: {mine: {num_layers: 2, hidden_dim: 256, num_heads: 2}}\nuser_templates: {coding: {context_range: [4, 20000]}}\n"
    )
    plan = plan_of(tmp_path, "  workload_config: w.yaml\n  options:\n    - option: 1\n      model: mine\n", division="open")
    assert plan.workload_file == tmp_path / "w.yaml"
    assert (plan.options[0].bytes_per_token, plan.options[0].largest_entry_bytes) == (2048, 20000 * 2048)


def test_a_workload_file_that_is_wrong_is_told_with_its_place(tmp_path):
    (tmp_path / "w.yaml").write_text("decode: {batchsize: 3}\n")
    with pytest.raises(ConfigurationError, match=r"w.yaml:1:10: decode.batchsize"):
        plan_of(tmp_path, "  workload_config: w.yaml\n" + cases.CLOSED)


def test_a_client_takes_its_memory_tier_and_half_a_gibibyte(tmp_path):
    plan = plan_of(tmp_path)
    assert [plan.rank_memory_bytes(option) for option in plan.options] == [512 * MIB, 4 * GIB + 512 * MIB, 512 * MIB]


def test_each_host_has_the_same_number_of_clients(tmp_path):
    plan = plan_of(tmp_path, "  clients_per_host: 3\n" + cases.CLOSED, names="a, b", hosts=(256, 256))
    assert (plan.hosts, plan.ranks) == (2, 6)
    job = WORKLOAD.job(plan, plan.case.steps[0], staged=tmp_path / "s", scratch=tmp_path / "x", write=False)
    assert [(host.name, host.slots) for host in job.hosts] == [("a", 3), ("b", 3)]


@pytest.mark.parametrize(
    ("hosts", "source", "given", "shared"),
    [
        (1, "server:/x", "", False),
        (2, "server:/x", "", True),
        (2, "/dev/sda1", "", False),
        (2, "server:/x", "false", False),
        (1, "/dev/sda1", "true", True),
    ],
)
def test_hosts_that_mount_the_cache_from_one_network_place_share_what_is_free(hosts, source, given, shared, tmp_path):
    section = (f"  shared_cache: {given}\n" if given else "") + cases.CLOSED
    names = ", ".join("ab"[:hosts])
    assert plan_of(tmp_path, section, names=names, hosts=(256,) * hosts, source=source).shared_cache is shared


def test_the_job_of_a_pass_says_what_the_option_says(tmp_path):
    from pytest_mlpstorage.workloads.kv_cache_job import job_of

    plan = plan_of(tmp_path, "  capacity: 2GiB\n  io: {chunk: 1MiB, verify: full}\n" + cases.CLOSED)
    job = job_of(plan, plan.case.steps[3], tmp_path / "out", "20260101_000000")
    assert (job.option, job.trial, job.model, job.users, job.seed, job.processes, job.pass_no) == (2, 0, "llama3.1-8b", 100, 42, 1, 3)
    assert (job.duration_seconds, job.start_delay_seconds, job.end_delay_seconds) == (300, 180, 90)
    assert (job.cpu_memory_bytes, job.gpu_memory_bytes, job.max_concurrent_allocations, job.generation_mode) == (4 * GIB, 0, 16, "none")
    assert (job.capacity_bytes, job.chunk_bytes, job.verify, job.io_path, job.durability) == (2 * GIB, MIB, "full", "direct", "fsync")
    assert (job.cache_dir, job.output_dir) == (str(tmp_path / "mlps-data" / "kv_cache"), str(tmp_path / "out"))


def test_every_pass_is_recorded_as_the_official_flags_say_it(tmp_path):
    plan = plan_of(tmp_path, "  clients_per_host: 2\n" + cases.CLOSED)
    leaf = tmp_path / "20260101_000000"
    from pytest_mlpstorage.workloads.kv_cache_records import run_metadata

    metadata = run_metadata(plan, leaf, ())
    found = passes_of(metadata)
    assert [(one.option, one.trial) for one in found] == [(option, trial) for option in (1, 2, 3) for trial in range(3)]
    assert {(one.processes, one.per_node) for one in found} == {(2, 2)}
    assert found[3].flags["cpu-mem-gb"] == "4"
    table = [record.values for record in recorded_options(metadata, 3) if record.field.startswith("parameters")]
    assert table[0]["model"] == edition("3.0").kv_cache.options[3].model
    assert metadata.override_parameters == {}
    assert (metadata.args["seed"], metadata.args["trials"], metadata.args["inter_option_delay"]) == (42, 3, 90)
    assert metadata.mlps["engine"]["name"] == "native"


def test_plans_of_other_work_have_another_series_and_those_of_the_same_the_same(tmp_path):
    plain = plan_of(tmp_path).fingerprint
    assert plan_of(tmp_path).fingerprint == plain
    for more in (
        "  seed: 43\n",
        "  num_users: 9\n",
        "  io: {path: buffered}\n",
        "  start_delay: 1s\n",
        "  cache_dir: /x\n",
        "  clients_per_host: 2\n",
        "  trials: 2\n",
    ):
        assert plan_of(tmp_path, more + cases.CLOSED, division="open").fingerprint != plain, more


def test_settings_tell_of_each_value_where_it_comes_from(tmp_path):
    made = cases.session_of(tmp_path, cases.text("  seed: 7\n  options:\n    - option: 2\n      num_users: 9\n"))
    (case,) = made.cases("kvcache")
    found = {setting.key: (setting.value, str(setting.origin)) for setting in WORKLOAD.settings(case, made.config)}
    assert found["option2.num_users"] == (9, "c.yaml:8:18")
    assert found["option2.cpu_mem"] == (4, "edition 3.0")
    assert found["seed"] == (7, "c.yaml:5:9")
    assert found["trials"] == (3, "edition 3.0")


def test_what_no_flag_of_a_pass_tells_stands_among_the_overrides(tmp_path):
    section = "  trials: 2\n  seed: 1\n  inter_option_delay: 5s\n  io: {path: buffered, chunk: 1MiB}\n" + cases.CLOSED
    plan = plan_of(tmp_path, section, division="open")
    assert plan.metadata(plan.case.steps[0], tmp_path / "20260101_000000").override_parameters == {
        "trials": 2,
        "seed": 1,
        "inter_option_delay": 5.0,
        "io.path": "buffered",
        "io.chunk": "1MiB",
    }
