"""A whole result of ours on disk: every file of a rank and the summary by the writers of the package."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from kv_cache_tree import HOSTS, OPTIONS, PER_NODE, RANKS, START, TRIALS, KVCacheTree
from kv_ranks import rank_content

from pytest_mlpstorage.kvcache.rank_file import rank_file_path, write_rank_file
from pytest_mlpstorage.kvcache.run_summary import OptionRun, RunShape, run_summary
from pytest_mlpstorage.results.layout import leaf_path
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

MLPS = {"engine": {"name": "native"}}


@dataclasses.dataclass(frozen=True)
class OurTree(KVCacheTree):
    """The result of a native run; the ways to break it are those of the tests of rules."""

    @classmethod
    def write(cls, root: Path, *, division="closed", lose=(), failed=None, change=None):
        tree = cls(root, Division(division))
        name = START.strftime("%Y%m%d_%H%M%S")
        final = leaf_path(root, tree.division, "acme", "fastfs", "kv_cache", "llama3.1-8b", "run", name)
        with LeafWriter.create(root, final, run_id=f"run-{name}") as writer:
            writer.write_json(f"kv_cache_{name}_metadata.json", tree._metadata(final, "native", MLPS))
            writer.write_json("fs_separation.json", {"same_filesystem": False})
            for place in ((o, t, r) for o in OPTIONS for t in range(TRIALS) for r in range(RANKS)):
                if place in lose:
                    continue
                content = json.loads(json.dumps(rank_content(place[2], slower=0.25 * place[1])))
                if change is not None:
                    change(place, content)
                block = content.pop("mlps")
                write_rank_file(rank_file_path(writer.path, *place, name), content, block)
            shape = RunShape(name, HOSTS, PER_NODE, TRIALS, where=str(final))
            runs = {o: OptionRun(own.cpu_memory_gb > 0, (failed or {}).get(o, {})) for o, own in OPTIONS.items()}
            content, _figures = run_summary(writer.path, shape, runs)
            writer.write_json("summary.json", content)
            writer.commit()
        return tree
