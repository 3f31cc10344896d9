"""OpenCV, with the same pixels on every processor: `from fer_core.pixels.opencv import cv2`.

Intel's IPP inside OpenCV chooses its code by processor, and results differ in their last bits,
which is enough for other hashes and other trained networks. `OPENCV_IPP` switches it off in every
thread; `cv2.ipp.setUseIPP(False)` does so only in the one that calls it.
"""

import os

os.environ["OPENCV_IPP"] = "disabled"

import cv2

__all__ = ["cv2"]

# The variable is read when IPP is first asked for, and OpenCV then warns that it was obeyed.
_level = cv2.utils.logging.getLogLevel()
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
cv2.ipp.useIPP()
cv2.utils.logging.setLogLevel(_level)
