"""What the names of files say, for data sets and for `fer predict` alike: images, what operating
systems leave in folders, and the columns of tables that name images.
"""

import re
from pathlib import PurePosixPath

__all__ = [
    "IMAGE_SUFFIXES",
    "PATH_COLUMNS",
    "UNREADABLE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "column_word",
    "is_image",
    "is_litter",
    "suffix_of",
]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
)
"""Endings of images, in small letters. The first bytes of a file decide what it really is."""

UNREADABLE_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".avif", ".jxl"})
"""Endings of pictures in formats that cannot be decoded here."""

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".flv", ".3gp"}
)

PATH_COLUMNS = (
    *("path", "file", "image", "filename", "filepath", "imagepath", "imagename", "imagefile"),
    *("imgpath", "imgname", "imgfile", "img", "pth", "subdirectoryfilepath"),
)
"""Names of columns of paths as `column_word` gives them; the first that a table has counts."""

_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


def suffix_of(path: str) -> str:
    """The ending of a path divided by `/`, in small letters."""
    return PurePosixPath(path).suffix.lower()


def is_image(path: str) -> bool:
    """True for a name with the ending of an image."""
    return suffix_of(path) in IMAGE_SUFFIXES


def is_litter(name: str) -> bool:
    """True for hidden files (`.DS_Store`, `._x`) and what Windows, macOS and network storage leave
    in folders; these neither count nor are read.
    """
    return name.startswith(".") or name.lower() in _LITTER


def column_word(name: str) -> str:
    """The name of a column without case and everything that is neither letter nor digit:
    `Image_Path` and `image path` are one name.
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())
