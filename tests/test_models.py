"""The releases in `models/` are whole, answer as they were made, and one of them is the ready
network.
"""

import json
from pathlib import Path

import pytest

from fer_core.export.release.release import check_release
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model

FOLDERS = sorted(path.parent for path in Path("models").glob("*/provenance.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_release_is_as_it_was_made(folder: Path) -> None:
    check_release(folder)


def test_the_ready_network_is_a_release() -> None:
    assert ready_model().parent.relative_to(Path.cwd()) in FOLDERS


def test_the_readme_tells_the_release_s_own_figures() -> None:
    results = json.loads((ready_model().parent / "results.json").read_text(encoding="utf-8"))
    readme = Path("README.md").read_text(encoding="utf-8")
    for name, words in {
        "fer2013_publictest": "FER2013 PublicTest",
        "ferplus_publictest": "FERPlus majority on the same faces",
    }.items():
        metrics = results[name]["calibrated"]["metrics"]
        accuracy, macro_f1 = (
            f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})"
            for one in (metrics["accuracy"], metrics["macro_f1"])
        )
        rows, ece = f"{results[name]['rows']:,}", f"{metrics['ece']['value']:.3f}"
        assert f"| {words}, {rows} | {accuracy} | {macro_f1} | {ece} |" in readme


@pytest.mark.parametrize(("name", "size"), [("fer2013", 48), ("fer2013_lite0", 96)])
def test_the_card_warns_of_an_input_larger_than_the_faces_it_learned_from(
    name: str, size: int
) -> None:
    """FER2013's faces have 48 px; what the warning rests on is docs/results/camera-fer2013.md."""
    folder = Path("models") / name
    assert Predictor(folder / "student.fp32.onnx").metadata.preprocessing.size == size
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert (f"Its input, {size} px, is larger than these faces." in card) == (size > 48)
