"""A schedule played through without I/O, and written as the official trace and as a log that fio replays."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.export import Step, official_trace, played, write_fio_iolog
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.population import population
from pytest_mlpstorage.kvcache.schedule import (
    PHASE_DECODE,
    PHASE_PREFILL,
    PHASE_PREFILL_DECODE,
    REQUEST_DTYPE,
    FloodOptions,
    Schedule,
    compile_flood,
)

TINY = model("tiny-1b")
TOKEN = 24_576


def made(*requests):
    """Requests of one conversation each a turn: (arrival ms, phase, context, generate)."""
    rows = np.zeros(len(requests), REQUEST_DTYPE)
    for place, (time_ms, phase, context, generate) in enumerate(requests):
        rows[place] = (time_ms * 10**6, 3, 2, 0, place + 1, phase, context, generate, place, 0)
    return Schedule(rows, "tiny-1b", 1, 1, 10**10, "")


TWO = made((5, PHASE_PREFILL, 10, 0), (1500, PHASE_PREFILL_DECODE, 20, 33))


def test_requests_are_played_one_after_the_other_with_their_moves():
    steps = list(played(TWO, TINY, TierPolicy((0, 0, 25 * TOKEN))))
    assert steps == [
        Step(0, "write", 0, 10 * TOKEN, 2, "prefill"),
        Step(1, "read", 0, 10 * TOKEN, 2, "turn"),
        Step(1, "delete", 0, 10 * TOKEN, 2, "eviction"),
        Step(1, "write", 1, 20 * TOKEN, 2, "prefill"),
        *[Step(1, "read", 1, 20 * TOKEN, 2, reason) for reason in ("probe", "decode", "decode")],
    ]


def test_a_demotion_is_a_read_and_a_write():
    steps = list(played(TWO, TINY, TierPolicy((0, 25 * TOKEN, 100 * TOKEN))))
    assert steps[2:5] == [
        Step(1, "evict_read", 0, 10 * TOKEN, 1, "eviction"),
        Step(1, "evict_write", 0, 10 * TOKEN, 2, "eviction"),
        Step(1, "write", 1, 20 * TOKEN, 1, "prefill"),
    ]


def test_misses_are_steps_without_bytes():
    steps = list(
        played(made((0, PHASE_PREFILL, 10, 0), (1, PHASE_PREFILL, 20, 0), (2, PHASE_PREFILL, 1, 0)), TINY, TierPolicy((20 * TOKEN,)))
    )
    assert [step.kind for step in steps] == ["write", "read", "delete", "write", "miss", "read", "delete", "write"]
    assert steps[4] == Step(2, "miss", 0, 0, None, "turn")


def test_the_official_trace_has_its_columns_tiers_and_phases():
    rows = list(csv.reader(io.StringIO("".join(official_trace(TWO, TINY, TierPolicy((0, 25 * TOKEN, 100 * TOKEN)))))))
    assert rows == [
        ["Timestamp", "Operation", "Object_Size_Bytes", "Tier", "Key", "Phase"],
        ["0.005000", "Write", "245760", "Tier-1", "entry_0", "Prefill"],
        ["1.500000", "Read", "245760", "Tier-1", "entry_0", "Prefill"],
        ["1.500000", "Read", "245760", "Tier-1", "entry_0", "Evict"],
        ["1.500000", "Write", "245760", "Tier-2", "entry_0", "Evict"],
        ["1.500000", "Write", "491520", "Tier-1", "entry_1", "Prefill"],
        ["1.500000", "Read", "491520", "Tier-1", "entry_1", "Decode"],
        ["1.500000", "Read", "491520", "Tier-1", "entry_1", "Decode"],
        ["1.500000", "Read", "491520", "Tier-1", "entry_1", "Decode"],
    ]


def test_a_row_of_tiers_that_is_not_the_official_one_cannot_be_exported():
    with pytest.raises(ConfigurationError, match="three tiers"):
        list(official_trace(TWO, TINY, TierPolicy((100 * TOKEN,))))


def test_the_log_of_fio_holds_what_reaches_the_storage_in_blocks(tmp_path):
    path = tmp_path / "log"
    write_fio_iolog(path, TWO, TINY, TierPolicy((0, 0, 25 * TOKEN)), block_bytes=200_000)
    assert path.read_text().splitlines() == [
        "fio version 3 iolog",
        "5 entry_0 add",
        "5 entry_0 open",
        "5 entry_0 write 0 200000",
        "5 entry_0 write 200000 45760",
        "5 entry_0 sync",
        "1500 entry_0 read 0 200000",
        "1500 entry_0 read 200000 45760",
        "1500 entry_0 close",
        "1500 entry_1 add",
        "1500 entry_1 open",
        "1500 entry_1 write 0 200000",
        "1500 entry_1 write 200000 200000",
        "1500 entry_1 write 400000 91520",
        "1500 entry_1 sync",
        *["1500 entry_1 read 0 200000", "1500 entry_1 read 200000 200000", "1500 entry_1 read 400000 91520"] * 3,
        "1500 entry_1 close",
    ]


def test_a_file_that_comes_back_is_opened_but_not_added_again(tmp_path):
    path = tmp_path / "log"
    back = made((0, PHASE_PREFILL, 10, 0), (1, PHASE_PREFILL, 20, 0), (2, PHASE_DECODE, 10, 1))
    back.requests["entry"][2] = 0
    write_fio_iolog(path, back, TINY, TierPolicy((25 * TOKEN,)), block_bytes=10**9)
    assert [line for line in path.read_text().splitlines() if "entry_0" in line] == [
        *["0 entry_0 add", "0 entry_0 open", "0 entry_0 write 0 245760", "0 entry_0 sync", "1 entry_0 read 0 245760", "1 entry_0 close"],
        *["2 entry_0 open", "2 entry_0 write 0 245760", "2 entry_0 sync", "2 entry_0 close"],
    ]


@pytest.mark.skipif(shutil.which("fio") is None, reason="fio is not installed")
def test_fio_replays_the_log_byte_for_byte(tmp_path):
    path = tmp_path / "log"
    write_fio_iolog(path, TWO, TINY, TierPolicy((0, 0, 25 * TOKEN)), block_bytes=2**18)
    command = ["fio", "--name=replay", f"--read_iolog={path}", "--replay_no_stall=1", "--ioengine=psync", "--output-format=json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    job = json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]
    assert (job["error"], job["write"]["io_bytes"], job["read"]["io_bytes"]) == (0, 30 * TOKEN, 70 * TOKEN)


def test_what_stays_in_memory_is_not_in_the_log_of_fio(tmp_path):
    path = tmp_path / "log"
    write_fio_iolog(path, TWO, TINY, TierPolicy((0, 10**9, 10**9)), block_bytes=2**20)
    assert path.read_text() == "fio version 3 iolog\n"


@pytest.mark.parametrize(("number", "users", "ratio"), [(1, 200, (3.8, 4.6)), (3, 70, (3.0, 6.0))])
def test_the_storage_options_read_about_four_times_what_they_write(number, users, ratio):
    """As the published ranks did: 4.12 and 4.62."""
    chosen = model({1: "llama3.1-8b", 3: "llama3.1-70b-instruct"}[number])
    schedule = compile_flood(chosen, population(42, users), effective_seed=42, duration_seconds=20, options=FloodOptions())
    bytes_of = {"read": 0, "write": 0}
    turns = 0
    for step in played(schedule, chosen, TierPolicy((0, 0, 2**60))):
        if step.kind in bytes_of:
            bytes_of[step.kind] += step.bytes * (step.reason != "turn")
        turns += step.reason == "turn"
    assert ratio[0] < bytes_of["read"] / bytes_of["write"] < ratio[1]
    assert turns > 100
