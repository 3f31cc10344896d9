"""Which files are taken for images where no list names them."""

from pathlib import PurePosixPath

__all__ = ["IMAGE_SUFFIXES", "is_image"]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
)
"""Endings, in small letters. What a file really is, its first bytes decide (`decode.py`)."""


def is_image(path: str) -> bool:
    """True for a name with the ending of an image."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
