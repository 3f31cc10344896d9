"""What a training run ran on and with, for its record; nothing later depends on it, and it names neither host nor user nor folder."""

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch

from fer_core.models import distributed
from fer_core.settings import project_root

__all__ = ["environment"]


def environment(device: torch.device) -> dict[str, Any]:
    """Plain values for JSON: system, processor, device, number formats, git commit and every installed package with its version."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processes": distributed.size(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul": torch.get_float32_matmul_precision(),
        "commit": _commit(project_root()),
        "packages": dict(sorted({found.name: found.version for found in distributions()}.items())),
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit(root: Path) -> str | None:
    """Commit of the working tree, with "+" where tracked files other than results differ from it; None outside git."""
    answers = []
    results = [f":(exclude){name}" for name in ("dvc.lock", "metrics", "plots")]  # a run rewrites them as it goes
    for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no", "--", ".", *results)):
        try:
            done = subprocess.run(("git", *command), cwd=root, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode:
            return None
        answers.append(done.stdout.strip())
    return answers[0] + ("+" if answers[1] else "")
