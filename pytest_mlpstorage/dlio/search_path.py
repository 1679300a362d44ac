"""Workload files of ours before DLIO's own of the same name: Hydra looks into ``--config-dir`` last."""

from __future__ import annotations

from pathlib import Path

__all__ = ["prefer_configs"]


def prefer_configs(folder: Path) -> None:
    """Let Hydra look into ``folder`` first. DLIO ships a ``dlrm`` and a ``unet3d_h100`` that would be taken otherwise."""
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class Prefer(SearchPathPlugin):
        """Puts the folder in front."""

        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            search_path.prepend("pytest_mlpstorage", f"file://{folder}")

    Plugins.instance().register(Prefer)
