"""Objects moved by the thread that asks for them, with O_DIRECT, one chunk after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.kvcache.buffers import Arena, Lane
from pytest_mlpstorage.kvcache.io import (
    READ,
    WRITE,
    ChunkSink,
    Durability,
    ObjectTimes,
    Stop,
    close_quietly,
    no_sink,
    object_error,
    short_transfer,
    wrong_header,
    wrong_size,
)  # fmt: skip
from pytest_mlpstorage.kvcache.layout import HEADER_BYTES, UNIT_BYTES, Blocks, ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content, Mark

__all__ = ["Fill", "ObjectTarget"]

Fill: TypeAlias = Callable[[Lane, Mark, int, int], None]
"""Makes the first bytes of a lane what a stretch of an object holds; the last number is how many are written of it."""

_SYNC: Final = {"fsync": os.fsync, "fdatasync": os.fdatasync}


class ObjectTarget:
    """A :class:`~pytest_mlpstorage.kvcache.io.Target` of one file an entry, without the page cache.

    Threads call it, as many as the arena has lanes. ``unit`` is what offsets and lengths are multiples of. With ``keep`` a
    store goes over the file that is there, whose blocks are allocated already; else its file grows as it is written.
    """

    FLAGS = os.O_CLOEXEC | os.O_DIRECT

    def __init__(
        self,
        layout: ObjectLayout,
        arena: Arena,
        content: Content,
        *,
        durability: Durability = "fsync",
        sink: ChunkSink = no_sink,
        stop: Stop | None = None,
        unit: int = UNIT_BYTES,
        keep: bool = False,
    ) -> None:
        self._layout = layout
        self._arena = arena
        self._content = content
        self._durability = durability
        self._sync = _SYNC.get(durability)
        self._durable = durability != "none"
        self._sink = sink
        self._stop = stop or Stop()
        self._unit = unit
        self._read_flags = os.O_RDONLY | self.FLAGS
        self._write_flags = os.O_WRONLY | os.O_CREAT | (0 if keep else os.O_TRUNC) | self.FLAGS
        if durability == "dsync":
            self._write_flags |= os.O_DSYNC

    def write_object(self, entry: int, bytes: int, *, pass_no: int, fill: Fill | None = None) -> ObjectTimes:
        """Store an entry: noise of its own, stamped, then forced to disk once; ``fill`` brings what lies in another tier instead."""
        mark = Mark(entry, pass_no)
        lane = self._arena.take()
        try:
            return self._write(lane, mark, bytes, fill or self._content.fill)
        finally:
            self._arena.give(lane)

    def read_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:
        """Load an entry, and check each stretch between its arrival and the next call."""
        mark = Mark(entry, pass_no)
        lane = self._arena.take()
        try:
            return self._read(lane, mark, bytes)
        finally:
            self._arena.give(lane)

    def delete(self, entry: int) -> None:
        """Remove the file of an entry."""
        path = self._layout.path(entry)
        try:
            os.unlink(path)  # noqa: PTH108 - no Path object an entry
        except OSError as error:
            raise object_error("delete", path, 0, 0, 0, error) from error

    def close(self) -> None:
        """Give the arena's memory back."""
        self._arena.close()

    def _before_read(self, descriptor: int, size: int) -> None:
        """Do what makes a read cold, if O_DIRECT does not."""

    def _after_write(self, descriptor: int) -> None:
        """Do what a durable file needs so that its next read is cold."""

    def _write(self, lane: Lane, mark: Mark, size: int, fill: Fill) -> ObjectTimes:
        path, header, blocks = self._ready(lane, mark, size)
        clock, stop, chunk, last = time.perf_counter_ns, self._stop, blocks.block, blocks.count - 1
        submitted, completed, calls, stretch = lane.submitted, lane.completed, self._arena.calls, self._arena.stretch
        length, offset, index, step = chunk, 0, 0, "open"
        began = ready = clock()
        try:
            written = self._layout.write_path(mark.entry)
            descriptor = os.open(written, self._write_flags, 0o644)
            try:
                step, ready = "write", clock()
                for index in range(blocks.count):
                    if stop.now:
                        break
                    offset, call = index * chunk, index % calls
                    views = lane.calls[call]
                    if index == last:
                        length = blocks.last
                        views = [views[0][:length]]
                    if call == 0:
                        fill(lane, mark, index // calls, min(stretch, blocks.moved - offset))
                        if index == 0:
                            lane.buffer[:HEADER_BYTES], lane.holds = header, None
                    submitted[index] = clock()
                    moved = os.pwritev(descriptor, views, offset)
                    completed[index] = clock()
                    if moved != length:
                        self._rest_of_write(descriptor, lane, views[0], moved, offset)
                        completed[index] = clock()
                else:
                    index = blocks.count
                forced = synced = clock()
                if index == blocks.count:
                    if blocks.moved != blocks.file:
                        step = "truncate"
                        os.ftruncate(descriptor, blocks.file)
                    step, forced = self._durability, clock()
                    if self._sync is not None:
                        self._sync(descriptor)
                    synced = clock()
                    self._after_write(descriptor)
                step = "close"
            except BaseException:
                close_quietly(descriptor)
                raise
            os.close(descriptor)
            if written != path and index == blocks.count:
                # It is stored when it is found under its name.
                step = "rename"
                os.rename(written, path)  # noqa: PTH104 - no Path object an entry
                synced = clock()
        except OSError as error:
            raise object_error(step, path, offset + lane.partial, _done(lane, blocks, index), blocks.file, error) from error
        ended = clock()
        sizes, starts, ends = _chunks(lane, blocks, index)
        # All that lies between one chunk's end and the next one's call went to content.
        client = int(starts.sum() - ends[:-1].sum()) - ready if index else 0
        whole = index == blocks.count
        self._sink(WRITE, sizes, starts, ends, synced if whole and self._durable else 0)
        return ObjectTimes(
            bytes=int(sizes.sum()),
            t_submit_ns=submitted[0] if index else began,
            t_complete_ns=synced,
            host_ns=ended - began - client - (synced - forced),
            device_ns=synced - forced,
            chunks=index,
            moved_bytes=min(index * chunk, blocks.moved),
            client_ns=client,
            abandoned=not whole,
        )

    def _read(self, lane: Lane, mark: Mark, size: int) -> ObjectTimes:
        path, header, blocks = self._ready(lane, mark, size)
        clock, stop, chunk, last = time.perf_counter_ns, self._stop, blocks.block, blocks.count - 1
        submitted, completed, calls = lane.submitted, lane.completed, self._arena.calls
        expected, offset, index, arrived, verified, step = chunk, 0, 0, 0, 0, "open"
        began = checked = clock()
        try:
            descriptor = os.open(path, self._read_flags)
            try:
                self._before_read(descriptor, blocks.file)
                step = "read"
                for index in range(blocks.count):
                    if stop.now:
                        break
                    offset, call = index * chunk, index % calls
                    views = lane.calls[call]
                    if index == last:
                        expected = blocks.file - offset
                        views = [views[0][: blocks.last]]
                    submitted[index] = clock()
                    moved = os.preadv(descriptor, views, offset)
                    completed[index] = clock()
                    if moved != expected:
                        self._rest_of_read(descriptor, lane, views[0], moved, offset, expected, path)
                        completed[index] = clock()
                    arrived += expected
                    if call == calls - 1 or index == last:
                        whole, arrived = arrived, 0
                        verified += self._checked(lane, mark, index // calls, whole, header, path)
                else:
                    index = blocks.count
                if arrived:  # of a stretch that was given up
                    whole, arrived = arrived, 0
                    verified += self._checked(lane, mark, index // calls, whole, header, path)
                step, checked = "close", clock()
            except (OSError, ValidationError):
                if arrived:  # before the call that failed: that storage returned other data says more than that it failed
                    self._checked(lane, mark, index // calls, arrived, header, path)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise object_error(step, path, offset + lane.partial, _done(lane, blocks, index), blocks.file, error) from error
        ended = clock()
        sizes, starts, ends = _chunks(lane, blocks, index)
        device = int(ends.sum() - starts.sum())
        complete = completed[index - 1] if index else ended
        self._sink(READ, sizes, starts, ends, complete)
        return ObjectTimes(
            bytes=int(sizes.sum()),
            t_submit_ns=submitted[0] if index else began,
            t_complete_ns=complete,
            host_ns=ended - began - device,
            device_ns=device,
            chunks=index,
            moved_bytes=min(index * chunk, blocks.moved),
            client_ns=checked - submitted[0] - device if index else 0,
            verified_bytes=verified,
            abandoned=index < blocks.count,
        )

    def _checked(self, lane: Lane, mark: Mark, stretch: int, length: int, header: bytes, path: str) -> int:
        """Check what arrived of a stretch, if it is one of those to be checked; bytes of it."""
        if (mark.entry + stretch) % self._content.one_in:
            return 0
        if stretch == 0 and lane.buffer[:HEADER_BYTES] != header:
            raise wrong_header(path)
        self._content.check(lane, mark, stretch, length, path)
        return length

    def _ready(self, lane: Lane, mark: Mark, size: int) -> tuple[str, bytes, Blocks]:
        blocks = self._layout.blocks(size, self._arena.chunk, self._unit)
        lane.reserve(blocks.count)
        lane.partial = 0
        return self._layout.path(mark.entry), self._layout.header(size), blocks

    def _rest_of_write(self, descriptor: int, lane: Lane, view: memoryview, moved: int, offset: int) -> None:
        """Go on after a call that wrote less than asked, from the last whole unit."""
        while moved < len(view):
            lane.partial, begin = moved, moved - moved % self._unit
            more = os.pwritev(descriptor, [view[begin:]], offset + begin)
            if begin + more <= moved:
                raise short_transfer()
            moved = begin + more
        lane.partial = 0

    def _rest_of_read(self, descriptor: int, lane: Lane, view: memoryview, moved: int, offset: int, expected: int, path: str) -> None:
        """Go on after a call that read less than there should be; more than that, and the file is not what was written."""
        length = -(-expected // self._unit) * self._unit
        while moved < expected:
            lane.partial, begin = moved, moved - moved % self._unit
            more = os.preadv(descriptor, [view[begin:length]], offset + begin)
            if begin + more <= moved:
                raise wrong_size(path, "shorter", offset + moved, offset + expected)
            moved = begin + more
        lane.partial = 0
        if moved > expected:
            raise wrong_size(path, "longer", offset + expected, offset + expected)


def _chunks(lane: Lane, blocks: Blocks, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Payload bytes, submission and completion of the first ``count`` chunks: without header and padding they sum up to the entry."""
    sizes, starts, ends = (
        np.frombuffer(values, dtype=np.int64, count=count) if count else np.empty(0, dtype=np.int64)
        for values in (lane.bytes, lane.submitted, lane.completed)
    )
    sizes[:] = blocks.block
    if count:
        sizes[0] -= HEADER_BYTES
    if count == blocks.count:
        sizes[-1] -= blocks.count * blocks.block - blocks.file
    return sizes, starts, ends


def _done(lane: Lane, blocks: Blocks, count: int) -> int:
    return min(count * blocks.block + lane.partial, blocks.file)
