"""The small suite with a KV cache section: three options of two clients, seconds each."""

from __future__ import annotations

import json
from pathlib import Path

from small_suite import Ended, Suite

__all__ = ["OPTIONS", "SECTION", "Cache"]

WORKLOAD = "user_templates:\n" + "".join(f"  {name}: {{context_range: [16, 128]}}\n" for name in ("chatbot", "coding", "document"))
SECTION = """
  clients_per_host: 2
  trials: 1
  duration: 4s
  start_delay: 0s
  end_delay: 0s
  inter_option_delay: 0s
  num_users: 3
  capacity: 1GiB
  workload_config: w.yaml
"""
OPTIONS = "  options:\n    - option: 1\n    - option: 2\n      cpu_mem: 24MiB\n    - option: 3\n"


class Cache:
    """One folder with such a configuration, its results and its cache."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.result = suite.results / "whatif/test/results/small/kv_cache/llama3.1-8b"
        (suite.folder / "w.yaml").write_text(WORKLOAD)
        self.write()

    def write(self, section: str = SECTION, options: str = OPTIONS) -> None:
        head = "division: whatif\nsubmitter: test\nsystem: small\nkvcache:"
        (self.suite.folder / "suite.yaml").write_text(f"{head}{section}{options}")

    def run(self, *arguments: str) -> Ended:
        return self.suite.run(*arguments)

    @property
    def leaves(self) -> list[Path]:
        return sorted((self.result / "run").glob("2*"))

    @property
    def waiting(self) -> list[Path]:
        return sorted(self.suite.results.glob(".mlps/series/*/2*"))

    @property
    def reasons(self) -> list[str]:
        """Why each step failed whose evidence was kept."""
        return [record["reason"] for record in self.suite.evidence()]

    def left(self, cache: Path | None = None) -> list[Path]:
        """Whatever there is where the clients worked: nothing of theirs may stay, not even an empty folder."""
        found = (cache or self.suite.folder / "mlps-data" / "kv_cache").glob("*")
        return sorted(path for path in found if path.name != ".mlps-lock")  # of the session, which holds the folder, and not of a client

    def ranks(self) -> dict[int, int]:
        """Rank → pid of the programs that are running here."""
        found = {}
        for pid in self.suite.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                environ = dict(pair.split(b"=", 1) for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in pair)
            except OSError:
                continue
            if b"pytest_mlpstorage.kvcache" in words and b"guard" not in words and b"OMPI_COMM_WORLD_RANK" in environ:
                found[int(environ[b"OMPI_COMM_WORLD_RANK"])] = pid
        return found

    def writing(self, cache: Path | None = None) -> bool:
        """Whether both clients have entries."""
        folder = cache or self.suite.folder / "mlps-data" / "kv_cache"
        return len(self.ranks()) == 2 and all(any(folder.glob(f"rank_{rank}/**/*.npy")) for rank in (0, 1))

    def notes(self) -> str:
        """All that the metadata of waiting passes say."""
        found = [path for leaf in self.waiting for path in leaf.glob("*_metadata.json")]
        return "\n".join(note for path in found for note in json.loads(path.read_text())["mlps"]["notes"])
