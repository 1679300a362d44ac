"""What fills the storage before the first pass: nothing that storage could find alike, and no more at a time than shall lie there."""

from __future__ import annotations

from collections import Counter

from pytest_mlpstorage.kvcache.precondition import Filler, Precondition
from pytest_mlpstorage.kvcache.progress import Progress
from pytest_mlpstorage.units import GIB


class Told:
    """Notes what would be written."""

    def __init__(self):
        self.written = []

    def write_object(self, entry, size, *, pass_no):
        self.written.append((entry, pass_no, size))


def test_what_is_written_over_an_object_is_another_one(tmp_path):
    job = Precondition(cache_dir=str(tmp_path), output_dir=str(tmp_path), bytes_to_write=4 * GIB, bytes_held=GIB)
    filler, target = Filler(job, 0, Progress(None, "precondition", 1)), Told()
    for thread in range(8):
        filler._write(target, thread)
    assert filler._failure is None
    assert sum(size for _entry, _pass_no, size in target.written) == 4 * GIB
    assert max(Counter(target.written).values()) == 1, "the same bytes in the same place need not be written by any storage"
    assert len({entry for entry, _pass_no, _size in target.written}) == 16
    assert {pass_no for _entry, pass_no, _size in target.written} == {0, 1, 2, 3}
