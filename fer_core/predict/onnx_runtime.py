"""onnxruntime, which tells no one what it runs: `from fer_core.predict.onnx_runtime import
onnxruntime`.

`fer_core` sets `ORT_DISABLE_TELEMETRY` before this module loads it; a program that had loaded it
before is asked to stop reporting from here on.
"""

import onnxruntime

__all__ = ["onnxruntime"]

onnxruntime.disable_telemetry_events()
