"""onnxruntime, which tells no one what it runs: `from fer_core.predict.onnx_runtime import
onnxruntime`.

`fer_core` sets `ORT_DISABLE_TELEMETRY` before this module loads it; a program that had loaded it
before is asked to stop reporting from here on.
"""

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

__all__ = ["ONNX_ERRORS", "onnxruntime"]

ONNX_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    RuntimeError,
    *(one for one in vars(states).values() if isinstance(one, type) and issubclass(one, Exception)),
)
"""Those of onnxruntime, which share no base class of their own, and what its bindings raise."""

onnxruntime.disable_telemetry_events()
