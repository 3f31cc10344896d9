"""What `fer predict` and `fer live` answer with: network and face detector."""

from collections.abc import Iterator

from fer_cli.doctor.finding import Finding, Level
from fer_core.base.errors import FerError

__all__ = ["check_detector", "check_model"]


def check_detector() -> Iterator[Finding]:
    """Whether the face detector is there and whole."""
    try:
        from fer_core.predict.detection import read_detector
        from fer_core.predict.fetching import detector_file
    except ImportError as error:
        yield Finding(Level.WARN, "detector", f"not checked: {error}")
        return
    path = detector_file()
    try:
        read_detector(path)
    except FerError as error:
        found = f"{error.problem} {path}"
        yield Finding(Level.WARN, "detector", found, "`make setup`; only --detect and live need it")
    else:
        yield Finding(Level.OK, "detector", path.name)


def check_model() -> Iterator[Finding]:
    """Which network answers where none is named."""
    try:
        from fer_core.predict.ready import default_model
        from fer_core.predict.released import check_released
    except ImportError as error:
        yield Finding(Level.WARN, "network", f"not checked: {error}")
        return
    try:
        path = default_model()
        check_released(path)
    except FerError as error:
        yield Finding(Level.FAIL, "network", f"{error.problem} {error.where}", error.remedy or "")
        return
    text = str(path) if path.is_file() else f"none yet at {path}; `fer run` makes one"
    yield Finding(Level.OK, "network", text)
