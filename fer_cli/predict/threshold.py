"""`--threshold`: below which confidence no label is given; a number, or the network's own."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from fer_core.predict.predictor import Predictor

__all__ = ["Threshold", "least_confidence"]

log = logging.getLogger(__name__)

_AUTO = "auto"


def _parsed(text: str) -> float | str:
    """A number from 0 to 1, or "auto".

    Raises:
        BadParameter: neither.
    """
    if text == _AUTO:
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{text} is neither a number from 0 to 1 nor {_AUTO}")
    return value


Threshold = Annotated[
    Any,
    typer.Option(
        parser=_parsed,
        metavar="<0 to 1|auto>",
        help="Give no label below this confidence; auto: the model's own threshold, fitted so "
        "that few of the labels given are wrong.",
    ),
]


def least_confidence(threshold: float | str, predictor: Predictor, model: Path) -> float:
    """The threshold as a number; "auto" is the model's own.

    Raises:
        ModelError: it has none.
    """
    if threshold != _AUTO:
        return float(threshold)
    found = predictor.metadata.auto_threshold(model)
    log.info("labels are given from a confidence of %.3f on", found)
    return found
