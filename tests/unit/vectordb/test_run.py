"""Where a run looks for the device that its searches read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlpstorage.vectordb.job import VectorJob
from pytest_mlpstorage.vectordb.run import _on_device, _Run, _seen

LONG = f"host=node1 user=bench password={'x' * 900}"


def job(where="", server_dir=""):
    return VectorJob("run", "pgvector", "c", "HNSW", "/o", "/s", where=where, server_dir=server_dir)


@pytest.mark.parametrize("address", ["postgresql://node1/bench", LONG])
def test_an_address_of_a_server_is_no_path_however_long_it_is(address):
    assert _on_device(job(where=address), None, embedded=False) is None
    assert _on_device(job(where=address), [], embedded=False) is None


def test_a_file_of_the_index_says_more_than_the_folder_and_what_is_gone_says_nothing(tmp_path):
    file = tmp_path / "index"
    file.touch()
    assert _on_device(job(where=LONG), [file], embedded=False) == file
    assert _on_device(job(where=str(tmp_path)), [file], embedded=True) == file
    assert _on_device(job(where=str(tmp_path)), None, embedded=True) == tmp_path
    assert _on_device(job(server_dir=str(tmp_path)), None, embedded=False) == tmp_path
    assert _on_device(job(where=str(tmp_path / "gone")), None, embedded=True) is None


class Ranks:
    """The world as one of its ranks sees it; what the others say is put there."""

    size = 3

    def __init__(self, rank, *said):
        self.rank, self._said = rank, list(said)

    def all(self, _value, meanwhile=None):
        return self._said.pop(0)


def who_counts(reads_by_rank, *, embedded, hosts=("h1", "h2", "h3")):
    """Ranks that count what is read, where each has one worker that names these processes of the engine."""
    mine = [[None if reads is None else tuple(reads)] for reads in reads_by_rank]
    counting = []
    for rank, reads in enumerate(reads_by_rank):
        world = Ranks(rank, mine, [None if one is None else tuple(one) for one in reads_by_rank])
        run = _Run(job(where="http://h1"), Path("job"), world, None, None, hosts)
        if _seen(run, [{"reads": reads}], None, embedded=embedded).witness:
            counting.append(rank)
    return counting


def test_a_server_is_counted_on_the_host_of_its_processes_and_an_embedded_engine_on_every_host():
    server = [(7, 100)]
    assert who_counts([server, None, None], embedded=False) == [0]
    assert who_counts([None, server, None], embedded=False) == [1]
    assert who_counts([server, server, None], embedded=False, hosts=("h1", "h1", "h2")) == [0]
    assert who_counts([None, None, None], embedded=False) == [0], "one says why nobody could count"
    assert who_counts([[(1, 1)], [(2, 2)], [(3, 3)]], embedded=True) == [0, 1, 2]
    assert who_counts([[(1, 1)], [(2, 2)], [(3, 3)]], embedded=True, hosts=("h1", "h1", "h2")) == [0, 2]
