"""Libraries between us and the C library: found in the running process, and unable to make a direct read warm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.kvcache.trust_interposers import interposer_notes, interposers, preloaded

SHIM = """
int posix_fadvise(int fd, long offset, long length, int advice) { return 0; }
int posix_fadvise64(int fd, long offset, long length, int advice) { return 0; }
int fsync(int fd) { return 0; }
"""

PROGRAM = """
import json, os, sys
from pathlib import Path
from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.kvcache.trust import Moved, kernel_bytes, prove_direct, residency_notes
from pytest_mlpstorage.kvcache.trust_interposers import interposer_notes, interposers, preloaded
folder, size = Path(sys.argv[1]), 8 << 20
mount = mount_of(folder)
answer = {"notes": [note.to_json() for note in interposer_notes(interposers(), preloaded())]}
for kind in (ObjectTarget, BufferedTarget):
    store = kind(ObjectLayout(folder), Arena(1, 1 << 20), Content(1 << 20))
    store.write_object(1, size, pass_no=0)
    before = kernel_bytes(mount)
    moved = store.read_object(1, size, pass_no=0).moved_bytes
    proof = prove_direct(mount, Moved(read=moved), before, kernel_bytes(mount), direct=kind is ObjectTarget)
    answer[kind.__name__] = [proof.direct, proof.read_ratio]
answer["residency"] = [note.to_json() for note in residency_notes(store.residency.fraction, store.residency.reason)]
print(json.dumps(answer))
"""


def run(folder, **environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no compiler to make the shim with")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", str(folder / "libshim.so"), str(folder / "shim.c")], check=True)
    return str(folder / "libshim.so")


@pytest.fixture
def on_disk(tmp_path):
    if mount_of(tmp_path).fstype not in ("ext4", "xfs"):
        pytest.skip("temporary files are on no disk")
    return tmp_path


def test_a_shim_is_found_and_direct_reads_are_what_they_were(shim, on_disk):
    found = run(on_disk, LD_PRELOAD=shim)
    (note,) = found["notes"]
    assert note["check"] == "interposers"
    assert note["level"] == "warning"
    assert shim in note["message"]
    assert "fsync" in note["message"]
    assert "posix_fadvise" in note["message"]
    proof, ratio = found["ObjectTarget"]
    assert proof == "proved"
    assert 0.98 <= ratio <= 1.02
    # The path through the page cache is what such a shim is made for, and it is caught by what lay in memory.
    assert found["BufferedTarget"][1] < 0.1
    assert found["residency"][0]["level"] == "error"


def test_without_a_shim_there_is_nothing_to_say(on_disk):
    found = run(on_disk, LD_PRELOAD="")
    assert found["notes"] == found["residency"] == []
    assert found["ObjectTarget"][0] == "proved"
    assert 0.9 <= found["BufferedTarget"][1] <= 1.1


def test_this_process_calls_the_c_library_itself():
    assert interposers() == {}


def test_a_library_that_replaces_nothing_of_ours_is_named_all_the_same(tmp_path):
    system = tmp_path / "ld.so.preload"
    system.write_text("# comment\n/opt/a.so /opt/b.so # c.so\n")
    assert preloaded({"LD_PRELOAD": "/x.so:/y.so z.so"}, system) == ["/x.so", "/y.so", "z.so", "/opt/a.so", "/opt/b.so"]
    assert preloaded({}, tmp_path / "none") == []
    notes = interposer_notes({"/x.so": ["fsync", "pread"]}, ["/other/x.so", "/y.so"])
    assert [(note.check, note.level) for note in notes] == [("interposers", "warning"), ("preload", "warning")]
    assert "fsync, pread" in notes[0].message
    assert notes[1].message.startswith("/y.so is loaded")


def test_in_an_official_run_it_is_an_error():
    assert {note.level for note in interposer_notes({"/x.so": ["fsync"]}, ["/y.so"], official=True)} == {"error"}


def test_a_clean_process_has_no_note():
    assert interposer_notes({}, []) == ()
