"""What one pass of the official program is to be, as a JSON file that our rank program reads, and its command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.kvcache.limits import MOST_WORKERS
from pytest_mlpstorage.kvcache.official_copy import PROGRAM, WRAPPER, Form
from pytest_mlpstorage.ranks.job_file import fields_of, read_job
from pytest_mlpstorage.results.atomic import write_json

__all__ = ["ENGINE", "OfficialJob"]

ENGINE: Final = "official"
"""Name of this engine in the files of a rank and of a leaf."""

_WHAT: Final = "job of the official KV cache program"


@dataclasses.dataclass(frozen=True)
class OfficialJob:
    """One pass of ``processes`` ranks of the copy in ``folder``, whose hash is ``digest``.

    ``parameters`` are the official flags of the option, without their dashes: all of them, so that no default of the program counts.
    ``output_dir`` is the folder of the pass (``option_<O>/trial_<T>``), ``cache_dir`` that of the ranks' folders. The wrapper keeps
    the delays itself, of its own length where it takes none (``delays`` False); around the program alone our rank keeps them.
    ``pause_seconds`` are idle before all of that. ``memory``: a tier before storage may take everything.
    ``closed``: nothing may stand between the program and its system calls.
    """

    option: int
    trial: int
    folder: str
    python: str
    digest: str
    form: Form
    parameters: Mapping[str, str]
    cache_dir: str
    output_dir: str
    run_datetime: str
    processes: int = 1
    seed: int = 42
    duration_seconds: float = 300.0
    largest_entry_bytes: int = 0
    start_delay_seconds: float = 90.0
    end_delay_seconds: float = 90.0
    pause_seconds: float = 0.0
    delays: bool = False
    config: str = ""
    capacity_gb: str = ""
    preload: str = ""
    memory: bool = False
    closed: bool = False
    changed: tuple[str, ...] = ()
    run_id: str = ""

    @property
    def script(self) -> Path:
        """What is started."""
        return Path(self.folder) / (PROGRAM if self.form == "program" else WRAPPER)

    @property
    def workers(self) -> int:
        """Threads of the program that serve requests."""
        return min(int(self.parameters["num-users"]), MOST_WORKERS)

    def rank_folder(self, rank: int) -> Path:
        """Where a rank's files are left."""
        return Path(self.output_dir) / f"rank_{rank}"

    def evidence_file(self, rank: int) -> Path:
        """What proves a rank's results, and every note on them with its level."""
        return self.rank_folder(rank) / "evidence.json"

    def arguments(self, rank: int) -> list[str]:
        """The flags of the script, for one rank where it is the program itself, else for all."""
        config = {"config": self.config} if self.config else {}
        capacity = {"storage-capacity-gb": self.capacity_gb} if self.capacity_gb else {}
        if self.form == "table":
            place = {"option": str(self.option), "seed": str(self.seed), "base-output-dir": self.output_dir, "cache-dir": self.cache_dir}
            return _words(place | config)
        if self.form == "program":
            output = self.rank_folder(rank) / f"kvcache_results_{self.run_datetime}.json"
            place = {"cache-dir": str(Path(self.cache_dir) / f"rank_{rank}"), "output": str(output), "seed": str(self.seed + rank)}
            return _words(place | config | dict(self.parameters) | capacity)
        place = {"rank-output-base": self.output_dir, "rank-cache-base": self.cache_dir, "seed-base": str(self.seed)}
        delays = {"start-delay": f"{self.start_delay_seconds:g}", "end-delay": f"{self.end_delay_seconds:g}"} if self.delays else {}
        return _words(place | config | dict(self.parameters) | capacity | delays)

    def command(self, rank: int) -> list[str]:
        """The whole command of a rank."""
        return [self.python, str(self.script), *self.arguments(rank)]

    def to_json(self) -> dict[str, Any]:
        """Write as a JSON object, every field by its name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, raw: object) -> OfficialJob:
        """From what ``to_json`` wrote; ConfigurationError for what is no such job."""
        values = fields_of(cls, raw, _WHAT)
        return cls(**{**values, "changed": tuple(values.get("changed", ()))})

    def write(self, path: Path) -> None:
        """Write the file that the ranks load."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> OfficialJob:
        """Read a file that ``write`` made; ConfigurationError where it is not there or no job."""
        return cls.from_json(read_job(path, _WHAT))


def _words(flags: Mapping[str, str]) -> list[str]:
    return [word for flag, value in flags.items() for word in (f"--{flag}", value)]
