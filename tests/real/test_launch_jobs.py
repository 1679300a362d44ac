"""Rank programs under a real mpirun, as the supervisor runs them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import DependencyError, MPIError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Host, Job, Launcher
from pytest_mlpstorage.launch.processes import carriers
from pytest_mlpstorage.launch.supervisor import Beat, Outcome, run_job

pytestmark = pytest.mark.real

# One write a line: where PYTHONUNBUFFERED is set, print writes in parts, and an mpirun may put those of two ranks in one line.
HELLO = ("-c", "from mpi4py import MPI; import sys; w = MPI.COMM_WORLD; sys.stdout.write(f'{w.allreduce(1)} {w.rank}\\n')")


@pytest.fixture(scope="module")
def launcher() -> Launcher:
    try:
        return find_launcher()
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.fixture
def run(launcher, tmp_path):
    def run(program, *, ranks=2, job=None, deadline_seconds=60.0, **options) -> tuple[Outcome, str, str]:
        out, err = tmp_path / "stdout.log", tmp_path / "stderr.log"
        outcome = run_job(launcher, job or Job(ranks, tuple(program)), stdout=out, stderr=err, deadline_seconds=deadline_seconds, **options)
        assert carriers(outcome.run_id) == []
        assert outcome.left == ()
        return outcome, out.read_text(), err.read_text()

    return run


def test_two_ranks_are_two_of_two(run):
    outcome, out, _ = run(HELLO)
    assert (outcome.returncode, outcome.cause, outcome.signal, outcome.failed_rank) == (0, "", None, None)
    assert sorted(out.split("\n")) == ["", "2 0", "2 1"]
    assert outcome.started < outcome.ended


def test_four_ranks_run_on_two_cores(run):
    _, out, _ = run(HELLO, ranks=4)
    assert sorted(out.split()) == sorted(["4", "0", "4", "1", "4", "2", "4", "3"])


def test_more_ranks_than_slots_run_only_where_that_is_allowed(run, launcher):
    job = Job(3, HELLO, hosts=(Host("localhost", 2),))
    assert run(HELLO, job=job)[0].returncode == 0
    refused = Job(3, HELLO, hosts=(Host("localhost", 2),), oversubscribe=False)
    with pytest.raises(MPIError, match="not enough slots") as caught:
        run(HELLO, job=refused)
    assert "oversubscribe" in caught.value.suggestion


def test_environment_and_folder_reach_every_rank(run, tmp_path):
    job = Job(
        2,
        ("-c", 'import os, sys; e = os.environ; sys.stdout.write(f\'{e["COLOUR"]} {os.getcwd()} {e["HOME"]}\\n\')'),
        env={"COLOUR": "dark red"},
        cwd=tmp_path,
    )
    _, out, _ = run((), job=job)
    assert out.splitlines() == [f"dark red {tmp_path} {os.environ['HOME']}"] * 2


def test_standard_input_is_empty(run):
    assert run(("-c", "import sys; sys.stdout.write(repr(sys.stdin.read()) + '\\n')"))[1].splitlines() == ["''", "''"]


def test_bytes_of_a_rank_hold_those_of_its_children(run, tmp_path):
    (tmp_path / "data").write_bytes(b"x" * 20_000_000)
    child = f"open({str(tmp_path / 'data')!r}, 'rb').read()"
    outcome, _, _ = run(("-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"))
    assert [io.rank for io in outcome.io] == [0, 1]
    assert all(20_000_000 < io.read_bytes < 30_000_000 for io in outcome.io)


def test_the_temporary_folder_of_a_run_is_removed(run):
    _, out, _ = run(("-c", "import sys, tempfile; sys.stdout.write(tempfile.mkdtemp() + '\\n')"))
    assert len(out.split()) == 2
    assert not any(Path(folder).exists() or Path(folder).parent.exists() for folder in out.split())


def test_shared_memory_of_the_transport_lies_in_a_folder_of_the_run(run):
    program = "from mpi4py import MPI; import os; print(*os.listdir('/dev/shm/mlps-' + os.environ['MLPS_RUN_ID']), flush=True)"
    outcome, out, _ = run(("-c", program + "; MPI.COMM_WORLD.Barrier()"))
    assert "_segment." in out
    assert not Path(f"/dev/shm/mlps-{outcome.run_id}").exists()


def test_an_exit_code_names_its_rank(run):
    outcome, _, err = run(
        ("-c", "import os, sys, time\nif os.environ['OMPI_COMM_WORLD_RANK'] == '1': sys.exit('no such data')\ntime.sleep(60)")
    )
    assert (outcome.returncode, outcome.failed_rank, outcome.failed_host) == (1, 1, os.uname().nodename)
    assert outcome.cause == f"rank 1 on {os.uname().nodename} ended with exit code 1"
    assert "no such data" in outcome.stderr_tail
    assert "no such data" in err
    assert outcome.elapsed_seconds < 10


def test_an_exception_under_mpi4py_run_ends_all_ranks(run, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("from mpi4py import MPI\nif MPI.COMM_WORLD.rank == 1: raise KeyError('lost')\nMPI.COMM_WORLD.Barrier()\n")
    outcome, _, _ = run(("-m", "mpi4py", str(program)))
    assert (outcome.returncode, outcome.failed_rank) == (1, 1)
    assert "KeyError: 'lost'" in outcome.stderr_tail
    assert outcome.elapsed_seconds < 10


def test_an_abort_names_its_rank_and_code(run):
    outcome, _, _ = run(("-c", "from mpi4py import MPI\nw = MPI.COMM_WORLD\nif w.rank == 1: w.Abort(7)\nw.Barrier()"))
    assert (outcome.returncode, outcome.failed_rank) == (7, 1)
    assert "rank 1 on" in outcome.cause


def test_a_program_that_does_not_exist_is_an_outcome(run):
    outcome, _, _ = run(("/no/such/program.py",))
    assert outcome.returncode == 2
    assert any("/no/such/program.py" in line for line in outcome.stderr_tail)


def test_wrong_launcher_arguments_are_an_mpi_error_with_its_words(run):
    with pytest.raises(MPIError, match="no rank was started") as caught:
        run(HELLO, job=Job(1, HELLO, mpi_args=("--no-such-option",)))
    assert "no-such-option" in str(caught.value)


def test_what_a_diagnosis_finds_joins_the_cause(run):
    program = ("-c", "import sys; sys.stderr.write('worker 7 is gone\\n'); sys.exit(4)")
    outcome, _, _ = run(program, ranks=1, diagnose=lambda lines: next(line for line in lines if "worker" in line))
    assert outcome.cause.endswith("ended with exit code 4: worker 7 is gone")


def test_lines_are_echoed_while_the_job_runs(run):
    lines: list[str] = []
    beats: list[Beat] = []
    seen = []

    def heartbeat(beat: Beat) -> None:
        beats.append(beat)
        seen.append(list(lines))

    program = "import sys, time\nprint('early', flush=True)\nsys.stderr.write('aside\\n')\ntime.sleep(2.5)\nprint('late', end='')"
    run(("-c", program), ranks=1, echo=lines.append, heartbeat=heartbeat, heartbeat_seconds=1.0)
    assert sorted(lines) == ["aside", "early", "late"]
    assert any("early" in at and "late" not in at for at in seen)


def test_a_beat_tells_bytes_cpu_memory_and_progress(run, tmp_path):
    program = (
        "import json, os, time\n"
        "open(os.environ['MLPS_PROGRESS'], 'a').write(json.dumps({'phase': 'train', 'epoch': 1}) + '\\n{\"half')\n"
        f"open({str(tmp_path / 'w')!r}, 'wb').write(bytes(5_000_000))\n"
        "end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\n"
        "time.sleep(2)"
    )
    beats: list[Beat] = []
    outcome, _, _ = run(("-c", program), ranks=1, heartbeat=beats.append, heartbeat_seconds=1.0)
    assert beats[-1].progress == outcome.progress == {"phase": "train", "epoch": 1}
    assert beats[-1].write_bytes >= 5_000_000
    assert beats[-1].cpu_seconds >= 0.25
    assert beats[-1].rss_bytes > 4_000_000
    assert (beats[-1].processes, beats[-1].ranks_started) == (1, 1)


@pytest.mark.parametrize("role", ["guard", "starter"])
def test_the_guards_import_neither_site_packages_nor_anything_slow(role):
    main = Path(sys.modules["pytest_mlpstorage.launch.supervisor"].__file__).with_name("__main__.py")
    done = subprocess.run([sys.executable, "-X", "importtime", "-I", "-S", main, role], capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert f"pytest_mlpstorage.launch.{role}" in loaded
    slow = {"subprocess", "tempfile", "json", "pathlib", "threading", "logging", "dataclasses", "inspect", "typing", "site"}
    assert not loaded & {*slow, "pytest_mlpstorage.errors", "mpi4py", "psutil", "pytest", "pydantic"}


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is missing")
def test_another_user_than_root_runs_and_ends_jobs(launcher, request):
    nobody = 65534
    become = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", "--"]
    sources = [str(Path(importlib.util.find_spec("pytest_mlpstorage").origin).parents[1]), sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": ":".join(sources), "PATH": f"{launcher.executable.parent}:{os.environ['PATH']}"}
    # An interpreter below root's home is no use to another user: then the system's of the same version takes its place.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pythons = (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin") or sys.executable)
    probe = f'test -x "{launcher.executable}" && exec "$0" -c "import pytest_mlpstorage.launch.supervisor"'
    python = next(
        (p for p in pythons if not subprocess.run([*become, "sh", "-c", probe, p], capture_output=True, env=environment).returncode), ""
    )
    if not python:
        pytest.skip("no interpreter or no mpirun that another user may run")
    folder = Path(tempfile.mkdtemp(prefix="mlps-test-", dir="/tmp"))  # pytest's own folders are closed to other users
    request.addfinalizer(lambda: shutil.rmtree(folder))
    os.chown(folder, nobody, nobody)
    script = (
        "import json, pathlib, sys\n"
        "from pytest_mlpstorage.launch.detect import find_launcher\n"
        "from pytest_mlpstorage.launch.job import Job\n"
        "from pytest_mlpstorage.launch.supervisor import run_job\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "for n, program in enumerate(['print(1)', 'import time; time.sleep(60)']):\n"
        "    o = run_job(find_launcher(), Job(2, ('-c', program)), stdout=here/f'{n}.o', stderr=here/f'{n}.e', deadline_seconds=5)\n"
        "    print(json.dumps([o.returncode, list(o.left), '--allow-run-as-root' in o.command, o.run_id]))\n"
    )
    environment["HOME"] = str(folder)
    done = subprocess.run([*become, python, "-c", script, str(folder)], capture_output=True, text=True, env=environment, cwd=folder)
    assert done.stderr == ""
    first, second = map(json.loads, done.stdout.splitlines())
    assert first[:3] == [0, [], False]
    assert second[:3] == [124, [], False]
    assert carriers(first[3]) == carriers(second[3]) == []
