"""An additive bias on logits: a correction for a place where classes are more or less frequent than
in training.
"""

import json
import math
from pathlib import Path

import numpy as np

from fer_core.base.errors import ParamsError
from fer_core.base.labels import CLASSES

__all__ = ["read_logit_bias"]


def read_logit_bias(path: Path) -> np.ndarray:
    """Read a JSON object of the seven class names and what to add to the logit of each.

    With b_c = T · (log π'_c − log π_c) a network trained where class c has share π_c answers for a
    place where it has π'_c (Saerens et al., Neural Computation 2002); T is the exported file's
    temperature.

    Returns:
        float32 [7], in the order of `fer_core.base.labels.CLASSES`.

    Raises:
        ParamsError: no such file, no JSON object, a class missing or unknown, or a value that is no
            finite number; names the class.
    """
    expected = ", ".join(CLASSES)
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ParamsError("There is no such file of logit biases.", where=path) from error
    except (ValueError, OSError) as error:
        raise ParamsError(
            "This file of logit biases is no JSON.",
            where=path,
            found=error,
            expected=f"an object of {expected}",
        ) from error
    if not isinstance(values, dict) or set(values) != set(CLASSES):
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise ParamsError(
            "Logit biases are one number for each of the seven classes.",
            where=path,
            found=found,
            expected=expected,
            remedy="0 changes nothing",
        )
    for name, value in values.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise ParamsError(
                "A logit bias is no finite number.", where=f"{path}: {name}", found=value
            )
    return np.array([values[name] for name in CLASSES], dtype=np.float32)
