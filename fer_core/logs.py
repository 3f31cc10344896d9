"""One log format for stages and commands, on standard error, that lives in peace with progress bars."""

import logging
import os
import sys

from tqdm import tqdm

__all__ = ["progress_off", "setup_logging"]


class _TqdmHandler(logging.Handler):
    """Writes above a progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def setup_logging(level: str | None = None) -> None:
    """Send log records of `level` (default: `$FER_LOG`, else INFO) and above to standard error."""
    handler = _TqdmHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level or os.environ.get("FER_LOG", "INFO").upper(), handlers=[handler], force=True)


def progress_off() -> bool:
    """True where a progress bar would only fill a log file: standard error is no terminal."""
    return not sys.stderr.isatty()
