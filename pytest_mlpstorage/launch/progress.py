"""A running job in one line of text; printing it is the plugin's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.launch.outcome import Beat
from pytest_mlpstorage.units import MIB, format_bytes, format_seconds

__all__ = ["line"]


def _number(progress: Mapping[str, Any], key: str) -> float | None:
    value = progress.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of(progress: Mapping[str, Any], word: str, total: str) -> str:
    done, of = _number(progress, word), _number(progress, total)
    if done is None:
        return ""
    return f"{word} {done:g}" if of is None else f"{word} {done:g}/{of:g}"


def line(beat: Beat, *, label: str = "", expected_seconds: float | None = None) -> str:
    """``unet3d-b200 run 1: train epoch 2/5, step 3/5, AU 94.1 %, 281 MiB/s, 12.0 s of about 30.0 s``.

    Before a rank program says how far it is, the line tells what the ranks have read and written instead.
    """
    progress = beat.progress or {}
    au, rate, wait = (_number(progress, key) for key in ("au", "mib_per_second", "wait_seconds"))
    parts = [
        " ".join(part for part in (str(progress.get("phase", "")), _of(progress, "epoch", "epochs")) if part),
        _of(progress, "step", "steps"),
        "" if au is None else f"AU {au:.1f} %",
        "" if rate is None else f"{rate:.0f} MiB/s",
        "" if wait is None else f"idle for {format_seconds(wait)}",
    ]
    if not any(parts):
        average = (beat.read_bytes + beat.write_bytes) / MIB / beat.elapsed_seconds if beat.elapsed_seconds > 0 else 0.0
        moved = f"read {format_bytes(beat.read_bytes)}, wrote {format_bytes(beat.write_bytes)}, {average:.0f} MiB/s"
        parts = [f"{beat.ranks_started} ranks started", moved if beat.read_bytes or beat.write_bytes else ""]
    expected = "" if expected_seconds is None else f" of about {format_seconds(expected_seconds)}"
    parts.append(format_seconds(beat.elapsed_seconds) + expected)
    if beat.warning:
        parts.append(beat.warning)
    text = ", ".join(part for part in parts if part)
    return f"{label}: {text}" if label else text
