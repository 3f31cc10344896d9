"""Random streams that are addressed by name, so that no drawing depends on what was drawn before
it.
"""

from zlib import crc32

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *address: str | int) -> np.random.Generator:
    """The generator at an address, for example `stream(1337, "fer", "face", 12)`.

    The same address gives the same numbers in every process, thread and order of calls; other
    addresses give independent ones (Philox is a counter-based generator).
    """
    words = [crc32(part.encode()) if isinstance(part, str) else part for part in address]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))
