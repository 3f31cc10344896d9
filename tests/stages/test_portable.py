"""Stages run with one set of instructions, whatever the processor, before any library is loaded."""

import json
import os
import platform
import subprocess
import sys

import pytest

import stages

CODE = """
import json, os, sys
import stages
loaded = [name for name in ("numpy", "torch", "cv2") if name in sys.modules]
import numpy, torch
print(json.dumps({
    "variables": {name: os.environ.get(name) for name in stages.PORTABLE},
    "loaded": loaded,
    "torch": torch.backends.cpu.get_cpu_capability(),
    "numpy": [name for name, on in numpy._core._multiarray_umath.__cpu_features__.items() if on],
}))
"""


def test_other_instructions_are_other_results() -> None:
    """No stage runs again when these change: raise the version of what they change."""
    assert stages.PORTABLE == {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "COMPATIBLE",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "1",
    }


def run(**environment: str) -> dict:
    kept = {name: value for name, value in os.environ.items() if name not in stages.PORTABLE}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86-64")
def test_libraries_are_told_before_they_are_loaded() -> None:
    found = run()
    assert found["loaded"] == []
    assert found["variables"] == stages.PORTABLE
    assert found["torch"] == "AVX2"
    assert not {"X86_V3", "X86_V4", "AVX512_ICL"} & set(found["numpy"])


def test_the_machine_may_choose_its_own() -> None:
    assert set(run(FER_PORTABLE="0")["variables"].values()) == {None}
