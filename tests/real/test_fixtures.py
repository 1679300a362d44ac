"""The public fixtures, in a test as a user writes it, with no configuration at all."""

from __future__ import annotations

import pytest

USERS_TEST = """
HELLO = "from mpi4py import MPI; import sys; sys.stdout.write(f'rank {MPI.COMM_WORLD.rank} of {MPI.COMM_WORLD.size}\\\\n')"


def test_two_ranks_say_hello(mpi_launcher, cluster):
    ran = mpi_launcher.run("-c", HELLO, ranks=2)
    assert sorted(ran.stdout.splitlines()) == ["rank 0 of 2", "rank 1 of 2"]
    assert ran.outcome.returncode == 0
    assert cluster.total_memory_bytes == cluster.hosts[0].memory_bytes > 2**30


def test_a_rank_that_fails_is_an_error_with_its_rank(mpi_launcher):
    mpi_launcher.run("-c", "from mpi4py import MPI; import os; os._exit(3 * MPI.COMM_WORLD.rank)", ranks=2)
"""


@pytest.mark.real
def test_a_users_own_test_runs_ranks_and_sees_the_host(pytester):
    pytester.makepyfile(USERS_TEST)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*BenchmarkExecutionError*rank 1*"])


def test_the_fixtures_explain_themselves(pytester):
    result = pytester.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines_random(["cluster*", "mpi_launcher*", "*memory, CPU, kernel, mounts*"])
