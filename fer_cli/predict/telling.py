"""What people are told of the network that answers, once, before it does; on stderr."""

import logging
from pathlib import Path

from fer_core.predict.intended_use import EU_LAW_IN_SHORT, INTENDED_USE
from fer_core.predict.predictor import Predictor

__all__ = ["tell_of_network", "tell_the_law"]

log = logging.getLogger(__name__)


def tell_of_network(predictor: Predictor, path: Path) -> None:
    """Say which network answers and under which terms; and where it has never seen a person."""
    metadata = predictor.metadata
    log.info("network: %s (%s; %s)", path, metadata.arch, metadata.licence)
    if metadata.knows_drawn_faces_only:
        log.warning(
            "this network knows drawn faces only (the embedded sample): its answers for people "
            "mean little. Train on a real data set: docs/data.md"
        )


def tell_the_law() -> None:
    """Say what live answers are for and what is forbidden."""
    log.info(
        "answers are guesses about shown expressions, not feelings. Intended use: %s %s",
        INTENDED_USE,
        EU_LAW_IN_SHORT,
    )
