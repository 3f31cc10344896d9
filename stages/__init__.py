"""The stages of the pipeline, each a program: `python -m stages.<name>`."""

import os

SPINS = "5000"
"""How many turns a waiting OpenMP thread spins before it sleeps, where neither this nor
OMP_WAIT_POLICY is set.

OpenMP's own 300,000 take the core that the awaited thread needs as soon as other processes are
about, and sleeping at once costs a waking at every operation; `bench/threads_bench.py` measures all
three. It is read when torch is loaded, hence here, before any stage is imported.
"""

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
