"""How a face is cut out of a picture, everywhere: a square about its box."""

from dataclasses import dataclass

import numpy as np

__all__ = ["MARGIN", "FaceBox", "crop_face"]

MARGIN = -0.025
"""Of a face's crop: the side of the middle FER2013 picture is 0.95 of its box's longer side
(`docs/predict.md`).
"""


@dataclass(frozen=True)
class FaceBox:
    """A face in an image, in pixels; it may reach beyond the image.

    Attributes:
        left, top, width, height: of the box.
        score: the detector's confidence in [0, 1].
    """

    left: int
    top: int
    width: int
    height: int
    score: float

    @property
    def area(self) -> int:
        """Square pixels."""
        return self.width * self.height


def crop_face(image: np.ndarray, box: FaceBox, margin: float = MARGIN) -> np.ndarray:
    """The square around a face: its longer side plus a margin on each side, edge pixels repeated
    beyond the image.

    Args:
        image: RGB, uint8 [H, W, 3].
        box: of the face.
        margin: share of the box's longer side that is added on each side; below 0 that much is cut
            off.

    Returns:
        RGB, uint8 [S, S, 3], S = longer side · (1 + 2 · margin), about the box's centre.

    Raises:
        ValueError: the margin leaves nothing.
    """
    if not margin > -0.5:
        raise ValueError(f"a margin must be above -0.5, not {margin}")
    side = max(round(max(box.width, box.height) * (1 + 2 * margin)), 1)
    left, top = box.left + (box.width - side) // 2, box.top + (box.height - side) // 2
    height, width = image.shape[:2]
    rows, columns = (
        np.clip(np.arange(start, start + side), 0, end - 1)
        for start, end in ((top, height), (left, width))
    )
    return np.ascontiguousarray(image[rows[:, None], columns])
