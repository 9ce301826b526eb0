"""The processor a run is on: which one to take, what it is called, and whether it is quicker in bfloat16."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


def choose_device(name: str) -> str:
    """ "auto" becomes "cuda" where there is one, else "cpu", which then uses every core it may run on."""
    device = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    if device == "cpu":
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    return device


def bf16_is_fast(device: torch.device | str) -> bool:
    """Whether this processor multiplies in bfloat16; a CPU that only emulates it trains at a tenth of its speed."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def device_name(device: torch.device) -> str:
    """The processor's name and, on a CPU, the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    threads = torch.get_num_threads()
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {threads} thread{'s' if threads > 1 else ''}"
