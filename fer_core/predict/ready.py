"""Which network answers where none is named: this project's own student, or the ready one."""

from pathlib import Path

from fer_core.base.files import read_json
from fer_core.predict.fetching import shipped
from fer_core.predict.predictor import Predictor
from fer_core.predict.released import PROVENANCE

__all__ = ["OWN_MODEL", "default_model", "ready_model", "sources_of"]

OWN_MODEL = Path("data/onnx/student.fp32.onnx")
"""Of the project in the working folder."""

_READY = "fer2013"
_FILE = "student.fp32.onnx"


def ready_model() -> Path:
    """The ready network: inside an installed package, else in the checkout's `models/`."""
    packaged = shipped(_FILE)
    return packaged if packaged.exists() else Path(__file__).parents[2] / "models" / _READY / _FILE


def default_model(own: Path = OWN_MODEL) -> Path:
    """The project's own student where it learned from photos of people, else the ready network; the
    own student too where there is no ready one.
    """
    ready = ready_model()
    if not ready.is_file():
        return own  # without opening it
    if not own.is_file():
        return ready
    return ready if Predictor(own, threads=1).metadata.knows_drawn_faces_only else own


def sources_of(network: Path) -> list[str]:
    """Names of the data sets that a released network was trained on."""
    provenance = read_json(network.parent / PROVENANCE)
    sources: list[str] = provenance["params"]["manifest"]["sources"]
    return sources
