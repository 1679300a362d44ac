"""Targets on a folder, and a sink that keeps what it is told."""

from __future__ import annotations

from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content

CHUNK = 128 * 1024


class Chunks:
    """Keeps what a sink is told."""

    def __init__(self):
        self.told = []

    def __call__(self, kind, bytes, t_submit_ns, t_complete_ns, durable_ns):
        self.told.append((kind, bytes.tolist(), t_submit_ns.tolist(), t_complete_ns.tolist(), durable_ns))


def target(kind, folder, *, lanes=2, verify="stamps", **options):
    return kind(ObjectLayout(folder), Arena(lanes, CHUNK), Content(CHUNK, verify=verify), **options)
