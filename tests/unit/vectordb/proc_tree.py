"""A /proc and a /sys of files, with processes and a block device as a test wants them."""

from __future__ import annotations

import os

from pytest_mlpstorage.page_cache.counters import Kernel


class ProcTree:
    """``kernel`` for what reads counters; the device is the one that ``folder`` is really on, whatever its filesystem is called."""

    def __init__(self, folder):
        self.folder = folder
        self.kernel = Kernel(folder / "proc", folder / "sys")
        (folder / "proc/self").mkdir(parents=True)
        (folder / "sys").mkdir()
        self.mount("ext4")
        self.major, self.minor = os.major(folder.stat().st_dev), os.minor(folder.stat().st_dev)
        self.device(0, 0)

    def mount(self, filesystem):
        (self.kernel.proc / "self/mountinfo").write_text(f"1 0 9:9 / / rw - {filesystem} /dev/disk rw\n")

    def device(self, reads, read_bytes, name="disk"):
        line = f"  {self.major}  {self.minor} {name} {reads} 3 {read_bytes // 512} 5 0 0 0 0 0 0 0\n"
        (self.kernel.proc / "diskstats").write_text(f"   7   0 loop0 99 0 999 0\n{line}")

    def process(self, pid, read_bytes, start=100, parent=1, name="engine"):
        place = self.kernel.proc / str(pid)
        place.mkdir(exist_ok=True)
        fields = ["S", str(parent), *(["0"] * 17), str(start), "0"]
        (place / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
        counters = f"rchar: 77\nread_bytes: {read_bytes}\nwrite_bytes: 5\n"
        (place / "io").write_text("" if read_bytes is None else counters)
        return pid, start

    def end(self, pid):
        for file in (self.kernel.proc / str(pid)).iterdir():
            file.unlink()
        (self.kernel.proc / str(pid)).rmdir()
