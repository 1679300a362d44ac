"""The 54 columns of a submission's results.json and results.csv, in the order of the rule book (§4.4 of its digest)."""

from __future__ import annotations

from typing import Final

__all__ = ["CHECKPOINTING", "COLUMNS", "GENERAL", "KV_CACHE", "MODEL_LABELS", "TRAINING", "VECTOR_DATABASE"]

GENERAL: Final = (
    "Public ID",
    "Organization",
    "Division",
    "Benchmark Type",
    "Model",
    "Name",
    "Description",
    "Type",
    "Access Protocol",
    "Availability",
    "RU's",
    "Integrated Client Storage (TiB)",
    "Usable Capacity (TiB)",
)

TRAINING: Final = (
    "Training - Accelerator Type",
    "Training - # Client Nodes",
    "Training - Code",
    "Training - Logs",
    "Training - # Simulated Accelerators",
    "Training - Read B/W (GiB/s)",
)

CHECKPOINTING: Final = (
    "Checkpointing - Checkpoint Mode",
    "Checkpointing - # Client Nodes",
    "Checkpointing - DP Instances",
    "Checkpointing - Code",
    "Checkpointing - Logs",
    "Checkpointing - Write B/W (GiB/s)",
    "Checkpointing - Write Duration (secs)",
    "Checkpointing - Read B/W (GiB/s)",
    "Checkpointing - Read Duration (secs)",
)

VECTOR_DATABASE: Final = (
    "VDB - # Client Nodes",
    "VDB - Code",
    "VDB - Logs",
    "VDB - Vector Count",
    "VDB - Vector Dimension",
    "VDB - Index Type",
    "VDB - Queries per Sec",
    "VDB - Query Latency (ms)",
    "VDB - Recall Percentage",
    "VDB - Storage IOPs",
    "VDB - Read B/W (GiB/s)",
)

KV_CACHE: Final = (
    "KVCache - # Client Nodes",
    "KVCache - Code",
    "KVCache - Logs",
    *(
        f"KVCache {group} - {metric}"
        for group in ("llama3.1-8b Storage Only", "llama3.1-8b Storage + Mem", "llama3.1-70b Storage Only")
        for metric in ("Throughput (tok/s)", "Read B/W (GiB/s)", "Write B/W (GiB/s)", "P95 Read Latency (ms)")
    ),
)

COLUMNS: Final = (*GENERAL, *TRAINING, *CHECKPOINTING, *VECTOR_DATABASE, *KV_CACHE)

MODEL_LABELS: Final = {"unet3d": "Unet3D", "llama3-1t": "1250B"}
"""How the published tables write a model; one without a known label is written as its directory."""
