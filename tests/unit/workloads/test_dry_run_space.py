"""The room that a dry run counts is the one that the preflight asks for: what it calls enough is refused by no start."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import checkpointing_cases
import kv_cache_cases
import pretend_session
import pytest
import vector_database_cases

from pytest_mlpstorage.dry_run import launch_shown
from pytest_mlpstorage.report.dry import total_lines
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.verdict import Severity
from pytest_mlpstorage.workloads.foreseen import foreseen
from pytest_mlpstorage.workloads.training import WORKLOAD as TRAINING

TINY = f"model: llama3-8b, accelerator: b200, accelerators: 2, {checkpointing_cases.TINY}"
UNET = "training:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 2, dataset: {num_files_train: 420}}\n"
CAPACITY = "  capacity: 57GiB\n" + kv_cache_cases.SMALL


def training(folder, names="", **facts):
    cluster = f"cluster: {{hosts: [{names}]}}\n" if names else ""
    return pretend_session.session_of(TRAINING, folder, f"division: whatif\nsubmitter: acme\nsystem: box\n{cluster}{UNET}", **facts)


def checkpointing(folder, names="", entry=TINY, **facts):
    text = checkpointing_cases.text(entry, division="whatif", hosts=names)
    return checkpointing_cases.session_of(folder, text, **facts)


def kv_cache(folder, names="", section=CAPACITY, **facts):
    return kv_cache_cases.session_of(folder, kv_cache_cases.text(section, division="whatif", hosts=names), **facts)


def vector_database(folder, names="", **facts):
    return vector_database_cases.session_of(folder, vector_database_cases.text(vector_database_cases.SMALL, hosts=names), **facts)


FAMILIES = (training, checkpointing, kv_cache, vector_database)


def planned(session):
    """The only case of a session, with its workload and plan."""
    (family,) = session.config.families
    (case,) = session.cases(family)
    return session.workload(case), session.plan(case), case


def room(plan):
    """The most that a step of a plan needs in a dry run."""
    spaces = [foreseen(plan, step).space for step in plan.case.steps if step.phase != "datasize"]
    return max(space.needed_bytes for space in spaces if space is not None)


def refused(session):
    """What the first host lacks of room for the data."""
    workload, plan, _ = planned(session)
    found = workload.host_findings(plan, 0)
    return [f for f in found if f.rule == "MLPS-SPACE-1" and f.severity is Severity.ERROR and "at once" not in f.message]


@pytest.mark.parametrize("session", FAMILIES)
def test_what_a_dry_run_needs_is_what_the_preflight_wants_and_not_a_byte_less(session, tmp_path):
    needed = room(planned(session(tmp_path))[1])
    assert refused(session(tmp_path, free=needed)) == []
    assert len(refused(session(tmp_path, free=needed - 1))) == 1


def earlier_checkpoints(plan):
    """Ten checkpoints with all their bytes, of which not one is on the disk."""
    for number in range(1, 11):
        folder = plan.folder / f"global_epoch1_step{number}"
        folder.mkdir(parents=True)
        for name, size in (("optim", 35418624), ("model", 5900544)):
            for rank in (0, 1):
                with (folder / f"zero_pp_rank_{rank}_mp_rank_0_{name}_states.pt").open("wb") as file:
                    file.truncate(size)


def test_checkpoints_that_are_written_over_need_no_room_in_a_dry_run_either(tmp_path):
    _, plan, _ = planned(checkpointing(tmp_path))
    all_of_it = int(10 * plan.total_bytes * 1.01)
    assert room(plan) == all_of_it
    earlier_checkpoints(plan)
    assert room(plan) == all_of_it - 10 * plan.total_bytes
    assert refused(checkpointing(tmp_path, free=room(plan))) == []
    (finding,) = refused(checkpointing(tmp_path, free=room(plan) - 1))
    assert finding.required == f"{room(plan) / MIB:.2f} MiB", "what lacks is told without what is there already"


def test_more_earlier_bytes_than_are_needed_give_none(tmp_path):
    _, plan, _ = planned(checkpointing(tmp_path))
    earlier_checkpoints(plan)
    with (plan.folder / "global_epoch1_step1/zero_pp_rank_0_mp_rank_0_model_states.pt").open("wb") as file:
        file.truncate(40 * GIB)
    assert room(plan) == 0


def complete(plan, **other):
    """Mark a data set as complete: that of a plan, but for what is ``other``."""
    manifest = {
        "model": "unet3d", "run_id": "x", "num_files_train": 420, "num_samples_per_file": 1, "format": "npz",
        "record_length_bytes": 1, "total_bytes_on_disk": 28, "source_datagen_result_dir": "somewhere", "parameters": dict(plan.dataset_parameters),
    }  # fmt: skip
    (plan.config.data_dir / "unet3d").mkdir(parents=True, exist_ok=True)
    (plan.config.data_dir / "unet3d/.mlps-datagen-manifest.json").write_text(json.dumps(manifest | other))


def test_a_data_set_that_is_complete_needs_no_room_when_it_is_generated_anew(tmp_path):
    _, plan, _ = planned(training(tmp_path, free=2**20))
    assert room(plan) == int(plan.dataset_bytes * 1.02)
    complete(plan)
    assert room(plan) == 0
    assert refused(training(tmp_path, free=2**20)) == []


@pytest.mark.parametrize(("there", "share"), [(28, 1.0), (GIB, None), (10**15, 0.0)])
def test_another_data_set_makes_room_for_no_more_than_it_takes(tmp_path, there, share):
    _, plan, _ = planned(training(tmp_path, free=2**20))
    complete(plan, total_bytes_on_disk=there, parameters=dict(plan.dataset_parameters) | {"dataset.record_length_bytes": 1})
    needed = int(max(0, plan.dataset_bytes - there) * 1.02)
    assert room(plan) == needed
    assert share is None or needed == pytest.approx(share * plan.dataset_bytes * 1.02)
    assert bool(refused(training(tmp_path, free=2**20))) == (needed > 0)


def test_a_collection_that_is_whole_needs_no_room_when_it_is_loaded_anew(tmp_path):
    _, plan, _ = planned(vector_database(tmp_path, free=2**10))
    assert room(plan) == 2 * (plan.raw_bytes + plan.index_bytes)
    plan.folder.mkdir(parents=True)
    (plan.folder / ".mlps-collection.json").write_text(json.dumps({"state": "complete", "parameters": dict(plan.dataset_parameters)}))
    assert room(plan) == 0
    assert refused(vector_database(tmp_path, free=2**10)) == []


@pytest.mark.parametrize(("shared", "clients"), [("true", 6), ("false", 2)])
def test_a_cache_on_disks_of_each_host_needs_room_for_the_clients_of_one(shared, clients, tmp_path):
    section = f"  shared_cache: {shared}\n{CAPACITY}"
    _, plan, _ = planned(kv_cache(tmp_path, "h0, h1, h2", section, hosts=(256,) * 3))
    assert room(plan) == -(-clients * 57 * GIB * 100 // 95)


def test_a_cache_that_takes_what_is_free_needs_room_for_an_entry_of_each_client(tmp_path):
    session = kv_cache(tmp_path, section=kv_cache_cases.SMALL)
    _, plan, case = planned(session)
    space = foreseen(plan, case.steps[0]).space
    least = space.least_bytes
    assert (space.needed_bytes, space.why) == (None, "up to 95 % of what is free")

    def errors(free):
        workload, changed, _ = planned(kv_cache(tmp_path, section=kv_cache_cases.SMALL, free=free))
        return [f for f in workload.host_findings(changed, 0) if f.rule == "MLPS-SPACE-1" and f.severity is Severity.ERROR]

    assert errors(least) == []
    assert errors(least - 1)


# -- the hosts of a case ------------------------------------------------------------------------------------------------------


def free_on(session, *frees):
    """The same session with so many bytes free on the storage of each host, all of them disks of their own."""
    hosts = [
        dataclasses.replace(host, mounts=tuple(dataclasses.replace(m, free_bytes=free, target="/mnt") for m in host.mounts))
        for host, free in zip(session._cluster.hosts, frees, strict=True)
    ]
    session._cluster = dataclasses.replace(session._cluster, hosts=tuple(hosts))
    session._detection = SimpleNamespace(launcher=SimpleNamespace(command=lambda _job, guard: ["mpirun", *guard]))
    return session


def shown(session):
    """The part of the totals of the last launch of the only case."""
    *_, case = planned(session)
    return launch_shown(session, case, case.steps[0], SimpleNamespace())[1]


def test_a_host_that_a_case_does_not_use_has_no_say_in_its_room(tmp_path):
    session = free_on(checkpointing(tmp_path, "h0:2, h1:2", hosts=(256, 256)), 20 * GIB, 5)
    assert len(planned(session)[1].placement) == 1
    (told,) = [line for line in total_lines([shown(session)]) if line.startswith("  space")]
    assert told == "  space    795.98 MiB needed; 20.00 GiB free on /mnt"


def test_of_the_hosts_that_a_case_uses_the_one_with_the_least_room_decides(tmp_path):
    session = free_on(
        kv_cache(tmp_path, "h0, h1, h2", f"  shared_cache: false\n{CAPACITY}", hosts=(256,) * 3), 200 * GIB, 90 * GIB, 150 * GIB
    )
    (told,) = [line for line in total_lines([shown(session)]) if line.startswith("  space")]
    assert told == "  space    120.00 GiB needed; 90.00 GiB free on /mnt -- TOO LITTLE"


def test_cases_of_other_hosts_are_added_up_on_each_host_for_itself(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    frees = (200 * GIB, 130 * GIB)
    one = shown(free_on(checkpointing(tmp_path / "one", "h0:2, h1:2", hosts=(256, 256)), *frees))
    both = shown(free_on(kv_cache(tmp_path / "all", "h0, h1", f"  shared_cache: false\n{CAPACITY}", hosts=(256, 256)), *frees))
    one["space"]["needed_bytes"] = 79 * GIB
    lines = [line for line in total_lines([one, both]) if line.startswith("  space")]
    assert lines == ["  space    199.00 GiB needed; 200.00 GiB free on /mnt"], "120 GiB of 130 lie on the second host"
    one["space"]["needed_bytes"] = 81 * GIB
    assert [line for line in total_lines([one, both]) if "TOO LITTLE" in line] == [
        "  space    201.00 GiB needed; 200.00 GiB free on /mnt -- TOO LITTLE"
    ]
