"""Zvec for real, each time in a process of its own: where it is killed, refused, locked out, damaged or simply read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real]

ROOT = Path(__file__).parents[2]
NOT_INSTALLED = "zvec is not installed: pip install 'pytest-mlpstorage[vectordb]'"
PREFACE = """
import faulthandler, json, os, sys, time
from pathlib import Path
import numpy as np
from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec
from pytest_mlpstorage.vectordb.generator import ClusteredV1
from pytest_mlpstorage.vectordb.zvec_engine import ZvecEngine

WHERE = sys.argv[1]
SPEC = IndexSpec("rows", 32, "COSINE", "DISKANN", {"max_degree": 32, "search_list_size": 50})
DATA = ClusteredV1(seed=5, rows=5000, dim=32)
QUERIES = DATA.query_block(0)[0][:50]

def loaded():
    engine = ZvecEngine()
    engine.create(SPEC, WHERE, replace=True)
    for number in range(DATA.blocks):
        engine.load(DATA.ids_of(number), DATA.block(number))
    return engine

def found(searcher):
    answers = [set(searcher.search(query, 10, {"search_ef": 100})[0].tolist()) for query in QUERIES]
    rows = np.concatenate([DATA.block(number) for number in range(DATA.blocks)]).astype(float)
    exact = np.argsort(-(QUERIES.astype(float) @ rows.T), axis=1)[:, :10]
    return float(np.mean([len(answer & set(right.tolist())) / 10 for answer, right in zip(answers, exact)]))

def refused(call):
    try:
        call()
    except MLPStorageError as error:
        return str(error)
    raise SystemExit("nothing was raised")
"""


@pytest.fixture
def in_python(tmp_path):
    """Run a script on zvec in a process of its own; gives what it printed as JSON, with its exit code."""
    pytest.importorskip("zvec", reason=NOT_INSTALLED)

    def run(script, *, seconds=120, env=None, code=0):
        done = subprocess.run(
            [sys.executable, "-c", PREFACE + script, str(tmp_path / "where")],
            capture_output=True, text=True, timeout=seconds, env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout or "null")

    return run


def test_an_engine_whose_package_is_missing_is_told_with_the_line_that_installs_it(in_python):
    told = in_python("""
sys.modules["zvec"] = None
print(json.dumps(refused(lambda: ZvecEngine().create(SPEC, WHERE))))
""")
    assert told.startswith("[MLPS-E210]")
    assert "python -m pip install 'pytest-mlpstorage[vectordb]'" in told


REFUSE_IO_URING = """
import ctypes, struct
# ld [nr]; jge 425, +0, +2; jgt 427, +1, +0; ret ERRNO|EPERM; ret ALLOW
program = b"".join(struct.pack("HBBI", *line) for line in (
    (0x20, 0, 0, 0), (0x35, 0, 2, 425), (0x25, 1, 0, 427), (0x06, 0, 0, 0x00050000 | 1), (0x06, 0, 0, 0x7FFF0000)))
kept = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("lines", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(5, ctypes.addressof(kept))), 0, 0) == 0
assert libc.syscall(425, 8, None) == -1 and ctypes.get_errno() == 1
"""


def test_where_io_uring_is_refused_zvec_reads_in_another_way_and_says_so(in_python):
    told = in_python(
        REFUSE_IO_URING
        + """
engine = loaded()
engine.build(lambda fraction: None)
engine.close()
searcher = engine.open(SPEC, WHERE, threads=1)
before = int(open("/proc/self/io").read().split("read_bytes: ")[1].split()[0])
recall = found(searcher)
after = int(open("/proc/self/io").read().split("read_bytes: ")[1].split()[0])
print(json.dumps({"io": engine.version()["io_backend"], "recall": recall, "reads": (after - before) / 4096 / len(QUERIES)}))
"""
    )
    assert told["io"] in {"libaio", "pread"}
    assert told["recall"] >= 0.95


def test_the_stand_in_of_refusal_aside_the_back_end_is_one_of_three(in_python):
    assert in_python("print(json.dumps(ZvecEngine().version()))")["io_backend"] in {"io_uring", "libaio", "pread"}


@pytest.mark.full
@pytest.mark.fault
def test_a_builder_killed_while_it_builds_leaves_all_rows_and_the_next_build_finishes(in_python, tmp_path):
    in_python(
        """
engine = loaded()
def soon(fraction, began=time.monotonic()):
    if time.monotonic() > began + 0.3:
        os.kill(os.getpid(), 9)
import threading
threading.Timer(0.4, os.kill, (os.getpid(), 9)).start()
engine.build(soon)
""",
        code=-signal.SIGKILL,
    )
    told = in_python("""
engine = ZvecEngine()
engine.attach(SPEC, WHERE)
before = engine.stats()
engine.build(lambda fraction: None)
after = engine.stats()
engine.close()
print(json.dumps({"before": [before.rows, before.completeness], "after": [after.rows, after.distinct_ids, after.completeness],
                  "recall": found(engine.open(SPEC, WHERE, threads=1))}))
""")
    assert told["before"] == [5000, 0.0]
    assert told["after"] == [5000, 5000, 1.0]
    assert told["recall"] >= 0.95
    # Starting clean is the other way on.
    assert in_python("engine = loaded(); print(json.dumps(engine.stats().rows))") == 5000


def test_a_build_that_its_watcher_gives_up_does_not_keep_the_process(in_python):
    began = time.monotonic()
    # Threads of zvec still run then, and its own end of the process is an abort.
    told = in_python(
        """
class Late(MLPStorageError):
    pass
def deadline(fraction):
    raise Late("too late")
engine = loaded()
told = refused(lambda: engine.build(deadline))
engine.close()
print(json.dumps(told), flush=True)
""",
        code=-signal.SIGABRT,
    )
    assert "too late" in told
    assert time.monotonic() - began < 60


def test_the_lock_of_a_writer_keeps_readers_and_a_replacement_out(in_python, tmp_path):
    told = in_python("""
import subprocess
engine = loaded()
again = [sys.executable, "-c", sys.orig_argv[sys.orig_argv.index("-c") + 1].split("import subprocess")[0] + '''
print(json.dumps([refused(lambda: ZvecEngine().open(SPEC, WHERE, threads=1)), refused(lambda: ZvecEngine().attach(SPEC, WHERE)),
                  refused(lambda: ZvecEngine().create(SPEC, WHERE)), refused(lambda: ZvecEngine().create(SPEC, WHERE, replace=True))]))
''', WHERE]
told = json.loads(subprocess.run(again, capture_output=True, text=True, check=True).stdout)
told.append(refused(lambda: engine.open(SPEC, WHERE, threads=1)))
print(json.dumps([told, engine.stats().rows]))
""")
    (reader, writer, maker, replacer, same), rows = told
    assert "in use" in reader
    assert "in use" in writer
    assert "something at the place" in maker
    assert "in use" in replacer
    assert "builder is still open" in same
    assert rows == 5000


def test_damaged_files_and_another_index_are_told_when_opened(in_python):
    told = in_python("""
engine = loaded()
engine.build(lambda fraction: None)
engine.close()
import dataclasses
hnsw = dataclasses.replace(SPEC, family="HNSW", build={})
other = refused(lambda: ZvecEngine().open(hnsw, WHERE, threads=1))
(index,) = Path(WHERE).rglob("*.proxima")
os.truncate(index, 100_000)
short = refused(lambda: ZvecEngine().open(SPEC, WHERE, threads=1))
for manifest in Path(WHERE, "rows").glob("manifest*"):
    manifest.unlink()
print(json.dumps([other, short, refused(lambda: ZvecEngine().open(SPEC, WHERE, threads=1))]))
""")
    assert "index of the type DISKANN, not HNSW" in told[0]
    assert "cannot be opened" in told[1]
    assert "cannot be opened" in told[2]


def test_a_folder_that_zvec_did_not_make_is_never_removed(in_python, tmp_path):
    kept = tmp_path / "where" / "rows"
    kept.mkdir(parents=True)
    (kept / "thesis.txt").write_text("years of work")
    told = in_python("print(json.dumps(refused(lambda: ZvecEngine().create(SPEC, WHERE, replace=True))))")
    assert "left alone" in told
    assert (kept / "thesis.txt").read_text() == "years of work"
    (kept / "thesis.txt").unlink()
    kept.rmdir()
    kept.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "LOCK").touch()
    assert "left alone" in in_python("print(json.dumps(refused(lambda: ZvecEngine().create(SPEC, WHERE, replace=True))))")
    assert (tmp_path / "elsewhere" / "LOCK").exists()


def test_codes_are_not_more_than_dimensions(in_python):
    told = in_python("""
import dataclasses
ZvecEngine().create(dataclasses.replace(SPEC, name="most", build={"pq_chunk_num": 32}), WHERE)
print(json.dumps(refused(lambda: ZvecEngine().create(dataclasses.replace(SPEC, build={"pq_chunk_num": 33}), WHERE))))
""")
    assert told.startswith("[MLPS-E161] pq_chunk_num 33 is more than the 32 dimensions")


def test_threads_of_a_query_are_set_once_in_a_process(in_python):
    told = in_python("""
engine = loaded()
engine.build(lambda fraction: None)
engine.close()
print(json.dumps(refused(lambda: engine.open(SPEC, WHERE, threads=2))))
""")
    assert "1 threads" in told
    assert "fresh process" in told


@pytest.mark.full
def test_reads_of_an_index_on_disk_repeat_and_those_of_one_in_memory_do_not(in_python):
    told = in_python("""
def reads(family, build):
    import dataclasses
    global SPEC
    SPEC = dataclasses.replace(SPEC, name=family.lower(), family=family, build=build)
    engine = loaded()
    engine.build(lambda fraction: None)
    engine.close()
    searcher = engine.open(SPEC, WHERE, threads=1)
    counts = [int(open("/proc/self/io").read().split("read_bytes: ")[1].split()[0])]
    for lap in range(2):
        found(searcher)
        counts.append(int(open("/proc/self/io").read().split("read_bytes: ")[1].split()[0]))
    return [(after - before) / 4096 / len(QUERIES) for before, after in zip(counts, counts[1:])]
print(json.dumps([reads("DISKANN", SPEC.build), reads("HNSW", {})]))
""")
    (cold, repeat), (_, memory) = told
    if not cold:
        pytest.skip("this filesystem shows no reads of a device")
    assert cold > 1
    assert repeat == pytest.approx(cold, rel=0.05)
    assert memory < 0.1
