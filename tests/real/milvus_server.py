"""The Milvus 2.3.5 of the wheel ``milvus``, for tests in a network namespace: a real server, with no DiskANN in it."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import urllib.request
from pathlib import Path

from pytest_mlpstorage.vectordb.server_process import ServerProcess, ordinary_user

_PORT, _HEALTH_PORT = 19530, 9091
_RUN = Path("/run/milvus")
_MARKS = Path("/tmp/milvus")
_START_SECONDS, _STOP_SECONDS = 120.0, 30.0


class MilvusServer:
    """A ServerHandle. Idle it takes 20 s to end and aborts then; with a build that never ends it must be killed."""

    def __init__(self) -> None:
        self.process: ServerProcess | None = None
        self._made_run = False
        self._port = _PORT

    def start(self, directory: Path) -> str:
        milvus = importlib.import_module("milvus")
        folder, user = directory / "milvus", ordinary_user()
        config = milvus.MilvusServerConfig(data_dir=str(folder))
        # Other ports than that of the proxy are as they are: it must be alone in its network.
        # The port of one that was killed is not free at once, so the next one has another.
        self._port += 100
        config.configs.update(proxy_port=self._port)
        # Else it refuses a flush within ten seconds of another.
        config.set("quotaAndLimits.flushRate.enabled", "false")
        config.resolve()
        milvus._initialize_data_files(str(folder))
        user.give(folder)
        program = folder / "bin" / "milvus"
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        user.give(temporary)
        environment = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(_HEALTH_PORT),
            "MILVUS_RUN_DIR": str(folder / "run"),
            "LD_LIBRARY_PATH": str(program.parent),
            "TMPDIR": str(temporary),
        }
        self._made_run = not _RUN.exists()
        self.process = ServerProcess("Milvus", folder / "server.log", ask_to_end=signal.SIGTERM, end_seconds=_STOP_SECONDS)
        self.process.start(
            [str(program), "run", "standalone"], user, ready=_healthy, seconds=_START_SECONDS, environment=environment, folder=folder
        )
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            mark = _MARKS / f"server_id_{process.pid}"
            process.stop()
            mark.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                mark.parent.rmdir()  # unless another's is there
        if self._made_run:
            shutil.rmtree(_RUN, ignore_errors=True)


def _healthy() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{_HEALTH_PORT}/healthz", timeout=5) as answer:
            return b"OK" in answer.read()
    except OSError:
        return False
