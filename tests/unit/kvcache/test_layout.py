"""Files that numpy loads, whose payload begins where direct I/O can read it."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlpstorage.kvcache.layout import HEADER_BYTES, Blocks, ObjectLayout, flat, npy_header

CHUNK = 128 * 1024


@pytest.mark.parametrize("shape", [(1,), (12, 2, 77, 4, 128), (61, 3, 576), (32, 2, 25_000, 8, 128)])
def test_a_header_is_4096_bytes_and_numpy_reads_the_shape_out_of_it(tmp_path, shape):
    header = npy_header(shape)
    assert len(header) == HEADER_BYTES == 4096
    with (tmp_path / "entry.npy").open("wb") as file:
        file.write(header)
        file.truncate(4096 + 2 * int(np.prod(shape)))
    loaded = np.load(tmp_path / "entry.npy", mmap_mode="r")
    assert loaded.shape == shape
    assert loaded.dtype == np.float16
    assert loaded.offset == 4096


def test_numpy_writes_the_same_header_but_for_its_padding():
    ours = npy_header((2, 3))
    assert ours[:8] == b"\x93NUMPY\x01\x00"
    assert ours[8:10] == (4086).to_bytes(2, "little")
    assert ours[10:].rstrip() == b"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }"
    assert ours.endswith(b" \n")


@pytest.mark.parametrize(
    ("size", "unit", "cut"),
    [
        (2, 4096, Blocks(CHUNK, 1, 8192, 4098)),
        (4096, 4096, Blocks(CHUNK, 1, 8192, 8192)),
        (CHUNK - 4096, 4096, Blocks(CHUNK, 1, CHUNK, CHUNK)),
        (CHUNK - 4094, 4096, Blocks(CHUNK, 2, 4096, CHUNK + 2)),
        (CHUNK - 4094, 1, Blocks(CHUNK, 2, 2, CHUNK + 2)),
        (3 * CHUNK, 4096, Blocks(CHUNK, 4, 4096, 3 * CHUNK + 4096)),
    ],
)
def test_an_entry_is_cut_into_whole_blocks_and_a_last_one_of_whole_units(size, unit, cut):
    found = ObjectLayout.blocks(size, CHUNK, unit)
    assert found == cut
    assert found.moved == (cut.count - 1) * CHUNK + cut.last


def test_each_entry_has_a_file_of_its_own_in_the_folder(tmp_path):
    layout = ObjectLayout(tmp_path)
    assert layout.folder == str(tmp_path)
    assert layout.path(0x1F) == f"{tmp_path}/kv_0000001f.npy"
    assert layout.path(2**24) != layout.path(2**28)
    for entry in (-1, 2**32):
        with pytest.raises(ValueError, match="no entry"):
            layout.path(entry)


def test_the_header_holds_the_shape_that_the_model_gives(tmp_path):
    layout = ObjectLayout(tmp_path, lambda size: (12, 2, size // 24576, 4, 128))
    assert b"(12, 2, 10, 4, 128)" in layout.header(245_760)
    assert flat(10) == (5,)


@pytest.mark.parametrize("size", [0, -2, 3, 24_577])
def test_a_size_that_is_not_the_shape_s_is_refused(tmp_path, size):
    with pytest.raises(ValueError, match="does not have the shape"):
        ObjectLayout(tmp_path).header(size)
