"""What the machine computes on, for those who read a card."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

import keras

CPU = Path("/proc/cpuinfo")


def device() -> dict[str, Any]:
    """What Keras computes on: {"kind": "cpu", "gpu" or "tpu", "name", "count": of cores, or of accelerators}."""
    found = [name.partition(":")[0].lower() for name in keras.distribution.list_devices()]
    kind = next((kind for kind in ("tpu", "gpu") if kind in found), "cpu")
    if kind == "cpu":
        return {"kind": kind, "name": _processor(), "count": _cores()}
    return {"kind": kind, "name": _graphics_card() if kind == "gpu" else kind.upper(), "count": found.count(kind)}


def precision(wanted: str) -> str:
    """The precision to compute in: `wanted`, but float32 on a CPU that is not known to gain from bfloat16.

    TensorFlow gains where the processor has the instructions. Without them, a small network trained at less than
    half of float32's speed with AVX-512, and hardly at all with AVX2; JAX turns its products into float32 on every CPU.
    """
    if wanted == "float32":
        return wanted
    gains = keras.backend.backend() == "tensorflow" and _first(r"flags\s*:.*\b(avx512_bf16|amx_bf16)\b", CPU)
    return wanted if gains or device()["kind"] != "cpu" else "float32"


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _processor() -> str:
    return _first(r"model name\s*:\s*(.+)", CPU) or platform.processor() or platform.machine()


def _graphics_card() -> str:
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return (files and _first(r"Model:\s*(.+)", files[0])) or "GPU"


def _first(pattern: str, file: Path) -> str:
    try:
        match = re.search(pattern, file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return match.group(1).strip() if match else ""
