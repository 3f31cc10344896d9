"""The stages of the pipeline, each a program: `python -m stages.<name>`."""

import os
import platform
from pathlib import Path

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
}
"""One set of instructions for torch, oneDNN, MKL, numpy and OpenBLAS on every x86-64 processor that
has AVX2, so that results do not follow the processor (`bench/portable_bench.py` shows it and what
it costs). FER_PORTABLE=0 leaves the choice to the libraries.

numpy keeps to what all of its processors have: its sums and functions take little of a run.
"""

SPINS = "5000"
"""How many turns a waiting OpenMP thread spins before it sleeps, where neither this nor
OMP_WAIT_POLICY is set.

OpenMP's own 300,000 take the core that the awaited thread needs as soon as other processes are
about, and sleeping at once costs a waking at every operation; `bench/threads_bench.py` measures all
three. It is read when torch is loaded, hence here, before any stage is imported.
"""

_PROCESSORS = Path("/proc/cpuinfo")
if (
    platform.machine() in ("x86_64", "AMD64")
    and os.environ.get("FER_PORTABLE") != "0"
    and not (_PROCESSORS.is_file() and " avx2" not in _PROCESSORS.read_text())
):
    os.environ.update(PORTABLE)

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
