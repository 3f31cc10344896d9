"""One log format for stages and commands, on standard error, that lives in peace with progress
bars.
"""

import logging
import os
import sys

from tqdm import tqdm

from fer_core.base.processes import place

__all__ = ["progress_off", "setup_logging"]


class _TqdmHandler(logging.Handler):
    """Writes above a progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def setup_logging(level: str | None = None) -> None:
    """Send log records of `level` (default: `$FER_LOG`, else INFO) and above to standard error.

    In a group of processes the first speaks for all: of the others only warnings and errors are
    shown, with their rank.
    """
    rank = place().rank
    handler = _TqdmHandler()
    name = f"rank {rank} " if rank else ""
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s {name}%(levelname)s %(message)s", "%H:%M:%S")
    )
    level = "WARNING" if rank else level or os.environ.get("FER_LOG", "INFO").upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)


def progress_off() -> bool:
    """True where a progress bar would only fill a log file, for standard error is no terminal, or
    be one of several of the same.
    """
    return not sys.stderr.isatty() or place().rank > 0
