"""Targets on a folder, and a sink that keeps what it is told."""

from __future__ import annotations

from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content

CHUNK = 128 * 1024
CALLS = 1
"""Of a stretch; tests that shall hold for every number of them change it."""

PRINT_PEAK_MIB = """
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:")))
"""
"""End of a program that says how much memory it ever had. The ru_maxrss of a new program is at least that of the one that started it."""


class Chunks:
    """Keeps what a sink is told."""

    def __init__(self):
        self.told = []

    def __call__(self, kind, bytes, t_submit_ns, t_complete_ns, durable_ns):
        self.told.append((kind, bytes.tolist(), t_submit_ns.tolist(), t_complete_ns.tolist(), durable_ns))


def target(kind, folder, *, lanes=2, verify="stamps", **options):
    return kind(ObjectLayout(folder), Arena(lanes, CHUNK, CALLS), Content(CHUNK * CALLS, verify=verify), **options)
