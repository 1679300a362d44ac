"""Each way in which storage or a client fails under the KV cache, through our items: one clear failure, and nothing left but evidence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from kv_cache_suite import OPTIONS, SECTION, Cache
from small_suite import finish

pytestmark = [pytest.mark.real, pytest.mark.fault]

TWO = "  options:\n    - option: 1\n    - option: 3\n"
LONG = SECTION.replace("duration: 4s", "duration: 60s")


@pytest.fixture
def cache(suite):
    return Cache(suite)


def fails_with(ended, *texts):
    assert ended.code == 1, ended.text
    assert [text for text in texts if text not in ended.text] == [], ended.text
    assert "Traceback (most recent call last)" not in ended.text.split("last lines of stderr")[0]


def nothing_is_left(cache, folder=None):
    cache.suite.wait_for(lambda: not cache.ranks(), 20)
    assert cache.left(folder) == []


def goes_on(cache, *, kept=0):
    """The next start does what is missing, and that only."""
    ended = cache.run()
    assert ended.code == 0, ended.text
    assert len(cache.leaves) == 1
    assert ended.text.count("found, not repeated") == kept
    assert cache.left() == []


def break_while_it_runs(cache, break_it, *arguments, folder=None):
    """Break a pass of a minute while both of its clients have entries, and see its failure."""
    cache.write(SECTION, TWO)
    if folder is not None:
        arguments = (*arguments, "--mlps-set", f"kvcache.cache_dir={folder}", "--mlps-set", "kvcache.capacity=null")
    process = cache.suite.start("-k", "test_preflight or option3", *arguments, "--mlps-set", "kvcache.duration=60s")
    cache.suite.wait_for(lambda: cache.writing(folder))
    break_it()
    return finish(process)


def test_a_disk_that_somebody_fills_is_one_failure_with_the_file_and_leaves_nothing(cache, small_filesystem):
    disk = small_filesystem(192)
    folder, filler = disk / "cache", disk / "filler"

    def fill():
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                return

    ended = break_while_it_runs(cache, fill, folder=folder)
    fails_with(ended, "No space left on device", "kv_", "bytes", "free space on that filesystem")
    nothing_is_left(cache, folder)
    (reason,) = cache.reasons
    assert "No space left on device" in reason
    assert cache.waiting == []


@pytest.mark.full
def test_a_cache_folder_that_is_taken_away_is_one_failure_and_the_next_start_does_what_is_missing(cache):
    folder, elsewhere = cache.suite.folder / "mlps-data/kv_cache", cache.suite.folder / "elsewhere"
    cache.write(SECTION, TWO)
    ended = cache.run("-k", "option1")
    assert ended.code == 0, ended.text
    cache.write(SECTION, TWO)
    process = cache.suite.start("-k", "option3")
    cache.suite.wait_for(cache.writing)
    (folder / "rank_1").rename(elsewhere)
    ended = finish(process)
    fails_with(ended, "rank 1", "No such file or directory", "the cache directory must stay while the run lasts")
    nothing_is_left(cache)
    assert list(elsewhere.rglob("*.npy")) == [], "what was moved is emptied by the hand that still holds it"
    shutil.rmtree(elsewhere)
    goes_on(cache, kept=1)


@pytest.mark.full
def test_every_client_killed_at_once_leaves_nothing_and_is_one_failure(cache):
    def kill():
        for pid in cache.ranks().values():
            os.kill(pid, signal.SIGKILL)

    ended = break_while_it_runs(cache, kill)
    fails_with(ended, "SIGKILL")
    nothing_is_left(cache)
    assert len(cache.reasons) == 1
    goes_on(cache)


def test_a_killed_client_leaves_nothing_though_it_could_not_clean_up(cache):
    ended = break_while_it_runs(cache, lambda: os.kill(cache.ranks()[1], signal.SIGKILL))
    fails_with(ended, "rank 1", "SIGKILL")
    nothing_is_left(cache)


def test_an_interrupt_leaves_nothing_but_evidence_of_the_pass_that_it_ended(cache):
    cache.write(LONG, OPTIONS)
    process = cache.suite.start("-k", "option1", "-x")
    cache.suite.wait_for(cache.writing)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    ended = finish(process)
    assert (ended.code, time.monotonic() - begun < 45) == (2, True), ended.text
    nothing_is_left(cache)
    assert cache.reasons == ["interrupted from the keyboard"]
    assert list(cache.suite.results.glob(".mlps/failed/*/option_1/trial_0/rank_*"))
    cache.write(SECTION, "  options:\n    - option: 1\n")
    goes_on(cache)


def test_data_that_changed_on_storage_fails_its_pass_with_the_file_and_the_offset(cache):
    process = cache.suite.start("-k", "test_preflight or option1", "--mlps-set", "kvcache.duration=60s")
    cache.suite.wait_for(cache.writing)
    folder = cache.suite.folder / "mlps-data/kv_cache/rank_0"
    end = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < end and cache.ranks():
        for path in folder.glob("*.npy"):
            flip(path, 4096)  # where the payload begins, with the stamp of its first sector
        time.sleep(0.05)
    ended = finish(process)
    fails_with(ended, "rank 0", "does not hold at offset 4096 what was stored", str(folder / "kv_"))
    nothing_is_left(cache)
    (reason,) = cache.reasons
    assert "what was stored" in reason


def flip(path, at):
    """Change a byte of a file in place; one that is being written or removed is let be."""
    try:
        with path.open("r+b", buffering=0) as file:
            file.seek(at)
            byte = file.read(1)
            if byte:
                file.seek(at)
                file.write(bytes([byte[0] ^ 0x10]))
    except FileNotFoundError:
        return


@pytest.mark.full
def test_through_the_page_cache_reads_that_were_dropped_from_it_are_a_measurement(cache):
    ended = cache.run("-k", "test_preflight or option1", "--mlps-set", "kvcache.io.path=buffered")
    assert ended.code == 0, ended.text
    (leaf,) = cache.waiting
    for path in leaf.glob("option_1/trial_0/rank_*/evidence.json"):
        evidence = json.loads(path.read_text())
        assert [note for note in evidence["notes"] if note["level"] == "error"] == []
    assert "lay in this host's memory" not in cache.notes()


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

static int broken(void) {
    static long calls;
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *limit = getenv("BREAK_READS_AFTER");
    if (!rank || !limit || strcmp(rank, "1") || __sync_add_and_fetch(&calls, 1) <= atol(limit)) return 0;
    errno = EIO;
    return 1;
}
typedef ssize_t (*plain)(int, const struct iovec *, int, off_t);
typedef ssize_t (*flagged)(int, const struct iovec *, int, off_t, int);
ssize_t preadv64(int fd, const struct iovec *v, int n, off_t at) { return broken() ? -1 : ((plain)dlsym(RTLD_NEXT, "preadv64"))(fd, v, n, at); }
ssize_t preadv(int fd, const struct iovec *v, int n, off_t at) { return broken() ? -1 : ((plain)dlsym(RTLD_NEXT, "preadv"))(fd, v, n, at); }
ssize_t preadv64v2(int fd, const struct iovec *v, int n, off_t at, int f) { return broken() ? -1 : ((flagged)dlsym(RTLD_NEXT, "preadv64v2"))(fd, v, n, at, f); }
ssize_t preadv2(int fd, const struct iovec *v, int n, off_t at, int f) { return broken() ? -1 : ((flagged)dlsym(RTLD_NEXT, "preadv2"))(fd, v, n, at, f); }
"""

EMPTIED = """
int posix_fadvise(int fd, long offset, long length, int advice) { return 0; }
int posix_fadvise64(int fd, long offset, long length, int advice) { return 0; }
int fsync(int fd) { return 0; }
"""


@pytest.fixture
def shim(tmp_path, monkeypatch):
    """Builds a library that stands between every program of the suite and its system calls."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no compiler to make the shim with")

    def build(source):
        (tmp_path / "shim.c").write_text(source)
        subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", tmp_path / "libshim.so", tmp_path / "shim.c", "-ldl"], check=True)
        monkeypatch.setenv("LD_PRELOAD", str(tmp_path / "libshim.so"))

    return build


@pytest.mark.full
def test_a_storage_that_fails_to_read_is_one_failure_with_the_file_and_the_offset(cache, shim, monkeypatch):
    shim(SHIM)
    monkeypatch.setenv("BREAK_READS_AFTER", "20")
    ended = cache.run("-k", "test_preflight or option1")
    fails_with(ended, "rank 1", "Input/output error", "at offset", "kv_", "the storage failed")
    nothing_is_left(cache)
    (reason,) = cache.reasons
    assert "Input/output error" in reason
    monkeypatch.delenv("LD_PRELOAD")
    goes_on(cache)


@pytest.mark.full
def test_a_library_that_empties_fsync_and_fadvise_is_told_and_direct_reads_are_what_they_were(cache, shim):
    shim(EMPTIED)
    ended = cache.run("-k", "option1")
    assert ended.code == 0, ended.text
    notes = cache.notes()
    assert "libshim.so answers fsync, posix_fadvise" in notes
    if "is not proved" in notes:
        pytest.skip("no counter for the filesystem of temporary files")
    assert "counted" not in notes, "every byte that was asked was counted"


@pytest.mark.full
def test_through_the_page_cache_reads_that_such_a_library_left_warm_are_no_measurement(cache, shim):
    shim(EMPTIED)
    ended = cache.run("-k", "test_preflight or option1", "--mlps-set", "kvcache.io.path=buffered")
    if "nobody can tell whether what was read lay in memory" in ended.text:
        pytest.skip("this kernel does not tell what lies in memory")
    fails_with(ended, "option1-trial0 is no measurement", "lay in this host's memory before it was read")
    assert cache.waiting == []
    assert "lay in this host's memory" in cache.reasons[0]
    assert list(cache.suite.results.glob(".mlps/failed/*/option_1/trial_0/rank_0/evidence.json"))
    assert cache.left() == []


BUSY = """
import sys, threading
if "pytest_mlpstorage.kvcache" in sys.orig_argv and "guard" not in sys.orig_argv:
    def burn():
        while True:
            sum(range(1000))
    threading.Thread(target=burn, daemon=True).start()
"""


@pytest.mark.full
def test_a_busy_thread_in_the_clients_makes_them_the_limit_and_that_is_told_with_figures(cache, monkeypatch):
    place = cache.suite.folder / "busy"
    place.mkdir()
    (place / "sitecustomize.py").write_text(BUSY)
    monkeypatch.setenv("PYTHONPATH", str(place), prepend=os.pathsep)
    ended = cache.run("-k", "option1")
    assert ended.code == 0, ended.text
    notes = cache.notes()
    assert "Latency percentiles are the client's as much as the storage's" in notes or "The client limited the rate" in notes
    assert "to go on where half of all chunks took no more than" in notes or "of its 1 cores (85% at most)" in notes
