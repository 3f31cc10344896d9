"""From a trained network to a file that answers, and the predictor that applications import:

    from fer_core.predict import Predictor

The names are looked up when they are first used, so that other modules of this package do not load
onnxruntime.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_core.predict.predictor import Predictions, Predictor

__all__ = ["Predictions", "Predictor"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fer_core.predict import predictor

    return getattr(predictor, name)
