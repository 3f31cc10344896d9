"""Draw docs/images/sample.jpg: faces of the embedded sample, one row a class.

    python -m docs.sample_sheet

Reads data/clean/sample_rafdb.arrow, which `fer run` makes.
"""

from pathlib import Path

import numpy as np

from fer_core.base.labels import CLASSES
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2

SIDE, COLUMNS, MARGIN = 72, 12, 84


def sheet(store: FaceStore) -> np.ndarray:
    """RGB picture, uint8: the first faces of every class, with its name at the left."""
    table = store.table_without_images()
    picture = np.full((SIDE * len(CLASSES), MARGIN + SIDE * COLUMNS, 3), 255, np.uint8)
    for label, name in enumerate(CLASSES):
        top = label * SIDE
        cv2.putText(
            picture,
            name,
            (4, top + SIDE // 2 + 5),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.5,
            (40, 40, 40),
            1,
            cv2.LINE_AA,
        )
        rows = table.index[(table["label"] == label) & (table["flag"] == "")][:COLUMNS]
        for column, row in enumerate(rows):
            face = cv2.resize(
                decode_rgb(store.image(int(row)), where=row),
                (SIDE, SIDE),
                interpolation=cv2.INTER_AREA,
            )
            left = MARGIN + column * SIDE
            picture[top : top + SIDE, left : left + SIDE] = face
    return picture


if __name__ == "__main__":
    out = Path("docs/images/sample.jpg")
    image = cv2.cvtColor(
        sheet(FaceStore.open(Path("data/clean/sample_rafdb.arrow"))), cv2.COLOR_RGB2BGR
    )
    cv2.imwrite(str(out), image, [cv2.IMWRITE_JPEG_QUALITY, 85])
