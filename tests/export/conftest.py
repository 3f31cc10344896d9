"""The tiny student, exported once for all tests of this folder."""

from tests.exports import exported, pack

__all__ = ["exported", "pack"]
