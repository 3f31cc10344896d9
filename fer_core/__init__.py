"""The library. Before any other is loaded, reports on use are switched off: nothing leaves the
machine.

Libraries read these variables when they are loaded, so they are set here, which every module of the
library passes first. What the user has set about reporting stays as it is.
"""

import os

TELLS_NO_ONE = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime >= 1.29 reports to its maker from Linux builds too
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which timm uses for downloads
    "DVC_NO_ANALYTICS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",  # a convention that several libraries follow
}
"""Environment variables that switch off reports on use, and the value of each."""

for _name, _value in TELLS_NO_ONE.items():
    os.environ.setdefault(_name, _value)
