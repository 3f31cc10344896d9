"""The embedded sample: invented faces, free of licences, written in the official layout of a real
data set.

The renderer shares no code with the readers of `fer_core.sources`, so that reading the sample
proves the readers.
"""

from collections.abc import Callable
from pathlib import Path

from fer_core.base.errors import ParamsError
from fer_core.sample.expw import render_expw
from fer_core.sample.fer2013 import render_fer2013, render_ferplus
from fer_core.sample.options import SampleOptions
from fer_core.sample.rafdb_basic import render_rafdb_basic

__all__ = ["LAYOUTS", "render"]

LAYOUTS: dict[str, Callable[[Path, SampleOptions], None]] = {
    "fer2013": render_fer2013,
    "ferplus": render_ferplus,
    "rafdb_basic": render_rafdb_basic,
    "expw": render_expw,
}


def render(layout: str, root: Path, options: SampleOptions) -> None:
    """Write a sample under `root`, which is created if need be and must hold nothing.

    The same layout and options give the same bytes, whatever the process or thread. The FER2013 and
    FERPlus samples of one seed and of the same counts hold the same pictures.

    Raises:
        ParamsError: no renderer for this layout, or the folder holds something.
    """
    if layout not in LAYOUTS:
        raise ParamsError(
            "There is no embedded sample in this layout.", found=layout, expected=", ".join(LAYOUTS)
        )
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise ParamsError(
            "The folder to render a sample into is not empty.",
            where=root,
            remedy="give a new folder",
        )
    LAYOUTS[layout](root, options)
