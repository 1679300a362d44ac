"""A copy of the official program as tests need it: its flags and its files of results, by code of ours that moves a few bytes.

``write_copy(folder, form)`` makes one. What it does is told by variables of the environment: ``STAND_IN`` holds words of the list in
``PROGRAM``, ``STAND_IN_SECONDS`` how long it works.
"""

from __future__ import annotations

from pathlib import Path

PROGRAM = '''
"""Stand-in of kv-cache.py."""
import argparse, json, os, sys, time
import numpy, yaml
from pathlib import Path

parser = argparse.ArgumentParser()
for flag, kind, default in (
    ("model", str, "tiny-1b"), ("num-users", int, 100), ("duration", int, 60), ("gpu-mem-gb", float, 16), ("cpu-mem-gb", float, 32),
    ("max-concurrent-allocs", int, 0), ("generation-mode", str, "realistic"), ("cache-dir", str, None), ("output", str, "out.json"),
    ("seed", int, None), ("config", str, None), ("storage-capacity-gb", float, 0), ("performance-profile", str, "latency"),
):
    parser.add_argument("--" + flag, type=kind, default=default)
asked = parser.parse_args()
words = os.environ.get("STAND_IN", "").split()
cache = Path(asked.cache_dir)
cache.mkdir(parents=True, exist_ok=True)
if "wipes" in words:  # whatever stands there, the mark of others too
    for path in cache.iterdir():
        path.unlink()
if "anew" in words:
    import shutil
    shutil.rmtree(cache)
    cache.mkdir()
if "leaves" in words:  # a process that outlives it
    import subprocess
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(cache)])
if "fails" in words:
    sys.exit("No space left on the pretended device")
if "hangs" in words:
    (cache / "conv_0.npy").write_bytes(bytes(4096))
    time.sleep(600)
size, wrote, read, requests = 1 << 20, 0, 0, 0
block = numpy.random.default_rng(asked.seed).integers(0, 256, size, numpy.uint8).tobytes()
end = time.monotonic() + min(asked.duration, float(os.environ.get("STAND_IN_SECONDS", "1")))
while "idles" not in words and (time.monotonic() < end or not requests):
    path = cache / f"conv_{requests}_turn_0.npy"
    with path.open("wb") as file:
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        if "warm" not in words:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.read()
    wrote, read, requests = wrote + size, read + size, requests + 1
    time.sleep(0.02)
gib, elapsed = 1 << 30, asked.duration
latencies = [0.05] * requests + ([elapsed + 1.0] if "late" in words else [])
tokens = 100 * requests
stats = {
    "prefill_writes": requests, "decode_reads": requests, "cache_hits": requests, "cache_misses": 0, "storage_entries": requests,
    "gpu_entries": 0, "cpu_entries": 0,
    "tier_storage_kv_bytes_written_gb": wrote / gib, "tier_storage_kv_bytes_read_gb": read / gib,
    "tier_storage_read_bandwidth_gbps": read / gib / elapsed, "tier_storage_write_bandwidth_gbps": wrote / gib / elapsed,
}
if requests:
    for name in ("read", "write"):
        for point in ("p50", "p95", "p99"):
            stats.update({f"storage_{name}_{part}{point}_ms": 5.0 for part in ("", "device_", "host_")})
result = {
    "requests_completed": len(latencies), "total_tokens_generated": tokens, "end_to_end_latencies": latencies, "storage_latencies": latencies,
    "seed": asked.seed + (7 if "reseeds" in words else 0),
    "asked": vars(asked),
    "summary": {
        "total_requests": len(latencies), "total_tokens": tokens, "elapsed_time": elapsed, "avg_throughput_tokens_per_sec": tokens / elapsed,
        "storage_throughput_tokens_per_sec": tokens / elapsed, "storage_io_latency_ms": {"p95": 50.0}, "cache_stats": stats,
        "qos_metrics": {"interactive": {"total_requests": requests}, "batch": {"no_data": True}},
        "autoscaling_stats": [], "autoscaling_summary": None,
    },
}
if "silent" not in words:
    Path(asked.output).write_text(json.dumps(result, indent=2))
'''

_HEAD = '''
"""Stand-in of mlperf_wrapper.py."""
import argparse, os, subprocess, sys, time
from pathlib import Path

rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "0")))
program = Path(__file__).parent / "kv-cache.py"
parser = argparse.ArgumentParser()
'''

WRAPPER = f"""{_HEAD}
for flag in ("rank-output-base", "rank-cache-base", "seed-base", "config", "model", "num-users", "duration", "gpu-mem-gb", "cpu-mem-gb",
             "max-concurrent-allocs", "generation-mode"):
    parser.add_argument("--" + flag)
DELAYS
asked = parser.parse_args()
output = Path(asked.rank_output_base) / f"rank_{{rank}}"
output.mkdir(parents=True, exist_ok=True)
passed = ["model", "num-users", "duration", "gpu-mem-gb", "cpu-mem-gb", "max-concurrent-allocs", "generation-mode"]
flags = [word for flag in passed for word in ("--" + flag, getattr(asked, flag.replace("-", "_")))]
time.sleep(float(getattr(asked, "start_delay", 0)))
code = subprocess.call([sys.executable, str(program), *flags, "--seed", str(int(asked.seed_base) + rank),
    "--cache-dir", f"{{asked.rank_cache_base}}/rank_{{rank}}", "--output", str(output / "kvcache_results_20260102_030405.json")])
time.sleep(float(getattr(asked, "end_delay", 0)))
sys.exit(code)
"""

_DELAYS = '\nfor flag in ("start-delay", "end-delay"):\n    parser.add_argument("--" + flag, default="90")\n'

TABLE = f"""{_HEAD}
for flag in ("option", "seed", "base-output-dir", "cache-dir", "config"):
    parser.add_argument("--" + flag)
asked = parser.parse_args()
table = {{"1": ("llama3.1-8b", 200, 0, 16), "2": ("llama3.1-8b", 100, 4, 16), "3": ("llama3.1-70b-instruct", 70, 0, 4)}}
model, users, memory, writes = table[asked.option]
output = Path(asked.base_output_dir) / "results" / f"rank_{{rank}}"
output.mkdir(parents=True, exist_ok=True)
sys.exit(subprocess.call([sys.executable, str(program), "--model", model, "--num-users", str(users), "--duration", "300", "--gpu-mem-gb", "0",
    "--cpu-mem-gb", str(memory), "--max-concurrent-allocs", str(writes), "--generation-mode", "none", "--seed", str(int(asked.seed) + rank),
    "--cache-dir", f"{{asked.cache_dir}}/rank_{{rank}}", "--output", str(output / "kvcache_results_20260102_030405.json")]))
"""


def write_copy(folder: Path, form: str = "program", *, delays: bool = False) -> Path:
    """A copy of a form: ``program`` alone, with the newer ``wrapper``, or with the older one that has a ``table``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kv-cache.py").write_text(PROGRAM)
    (folder / "config.yaml").write_text("user_templates: {}\n")
    if form != "program":
        wrapper = WRAPPER.replace("DELAYS", _DELAYS if delays else "") if form == "wrapper" else TABLE
        (folder / "mlperf_wrapper.py").write_text(wrapper)
    return folder
