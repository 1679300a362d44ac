"""Where the collection of a job is, and the server of ours that holds it, if one does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.vectordb.registry import engine as find_engine

if TYPE_CHECKING:
    from pytest_mlpstorage.ranks.world import World
    from pytest_mlpstorage.vectordb.engine import ServerHandle
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["Place"]


class Place:
    """Where the collection is: a folder, the address of a server, or a server of ours, which can be stopped and started again."""

    def __init__(self, job: VectorJob, world: World) -> None:
        self._job, self._world = job, world
        self._handle: ServerHandle | None = None
        self.where = job.where

    @property
    def own_server(self) -> bool:
        """Whether the server is ours."""
        return bool(self._job.server_dir)

    def start(self) -> str:
        """The address or folder, for all ranks; starts our server."""
        if self.own_server:
            found = self._start() if self._world.rank == 0 else ""
            self.where = self._world.all(found)[0]
        return self.where

    def _start(self) -> str:
        handle = find_engine(self._job.engine).server()
        if handle is None:
            raise ConfigurationError(
                f"the suite cannot start a server of {self._job.engine}",
                suggestion="give the address of one: vectordb.workloads.0.uri",
                code="MLPS-E160",
            )
        self._handle = handle
        folder = Path(self._job.server_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_system_error("cannot make the folder of a server", folder, error) from error
        return handle.start(folder)

    def stop(self) -> None:
        """End our server; its data stay."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.stop()
