import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from fer_core.base.errors import ArtifactError, DataError, ModelError
from fer_core.base.labels import CLASSES
from fer_core.predict.predictor import Predictions, Predictor
from tests.exports import Exported, faces

ROOT = Path(__file__).parents[2]


def _with_props(exported: Exported, path: Path, change: dict[str, str | None]) -> Path:
    model = onnx.load(exported.files["fp32"])
    props = {item.key: item.value for item in model.metadata_props} | change
    del model.metadata_props[:]
    helper.set_model_props(model, {key: value for key, value in props.items() if value is not None})
    path.write_bytes(model.SerializeToString())
    return path


def test_only_onnxruntime_numpy_and_opencv_are_imported(exported: Exported) -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "timm", "pandas", "pyarrow", "pydantic", "onnx", "scipy", "sklearn", "typer", "tqdm", "ruamel"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
import numpy
import fer_core.predict
assert "onnxruntime" not in sys.modules, "other modules of the package would load it too"
from fer_core.predict import Predictor
print(Predictor(sys.argv[1], threads=1).predict([numpy.full((60, 50, 3), 90, numpy.uint8)]).labels)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported.files["fp32"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()[2:-2] in CLASSES


def test_images_of_any_size_are_prepared_as_in_training(exported: Exported) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    images = [*faces(2, side=48), *faces(2, side=20), faces(1, side=200)[0][:, :90]]
    prepared = predictor.prepare(images)
    assert prepared.shape == (5, 32, 32, 3)
    for image, row in zip(images, prepared, strict=True):
        np.testing.assert_array_equal(row, exported.card.preprocessing.prepare(image))
    np.testing.assert_array_equal(
        predictor.predict(images, batch=5).logits, predictor.run(prepared).logits
    )


def test_no_images_give_no_predictions(exported: Exported) -> None:
    none = Predictor(exported.files["fp32"], threads=1).predict([])
    assert none.probabilities.shape == none.logits.shape == (0, 7)
    assert none.labels == none.top(2) == none.decide(0.5) == []


def test_top_classes_and_abstention() -> None:
    logits = np.log(
        np.array(
            [[0.05, 0.05, 0.1, 0.6, 0.1, 0.05, 0.05], [0.2, 0.1, 0.1, 0.1, 0.15, 0.1, 0.25]],
            dtype=np.float32,
        )
    )
    predictions = Predictions(np.exp(logits), logits)
    assert predictions.labels == ["Happy", "Neutral"]
    assert [[name for name, _ in best] for best in predictions.top(2)] == [
        ["Happy", "Fear"],
        ["Neutral", "Angry"],
    ]
    assert predictions.top(1)[0][0][1] == pytest.approx(0.6)
    assert predictions.decide(0.5) == ["Happy", None]
    assert predictions.decide(0.0) == ["Happy", "Neutral"]
    with pytest.raises(ValueError, match="k must be"):
        predictions.top(8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            dict.fromkeys(["schema", "labels", "preprocessing", "temperature"]),
            ModelError,
            "does not say",
        ),
        ({"schema": "9"}, ModelError, "another schema"),
        ({"labels": str(sorted(CLASSES)).replace("'", '"')}, ArtifactError, "class order"),
        ({"labels": "Angry"}, ModelError, "cannot be read"),
        ({"preprocessing_hash": "0" * 64}, ModelError, "not that of its hash"),
        ({"preprocessing": '{"size": 32}'}, ModelError, "cannot be read"),
        ({"temperature": "nan"}, ModelError, "not above 0"),
    ],
)
def test_file_that_may_be_misread_is_refused(
    exported: Exported,
    tmp_path: Path,
    change: dict[str, str | None],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        Predictor(_with_props(exported, tmp_path / "changed.onnx", change))


def test_file_whose_interface_does_not_fit_its_metadata_is_refused(
    exported: Exported, tmp_path: Path
) -> None:
    model = onnx.load(exported.files["fp32"])
    del model.graph.output[0]
    (tmp_path / "one_output.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="inputs and outputs"):
        Predictor(tmp_path / "one_output.onnx")


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such ONNX file[\s\S]*absent\.onnx"):
        Predictor(tmp_path / "absent.onnx")
    (tmp_path / "page.onnx").write_text("<html>not found</html>")
    with pytest.raises(ModelError, match=r"cannot load[\s\S]*page\.onnx"):
        Predictor(tmp_path / "page.onnx")


def test_provider_that_is_not_there_is_refused(exported: Exported) -> None:
    with pytest.raises(ModelError, match="no such provider"):
        Predictor(exported.files["fp32"], providers=["NoSuchExecutionProvider"])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        b"png",
    ],
)
def test_image_of_another_kind_is_refused_by_its_place(exported: Exported, image: object) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    with pytest.raises(DataError, match="image 3"):
        predictor.predict([*faces(3), image], batch=2)


@pytest.mark.parametrize(
    "bias", [np.zeros(6), np.array([0, 0, 0, np.inf, 0, 0, 0]), np.zeros((1, 7))]
)
def test_a_bias_of_another_form_is_refused(exported: Exported, bias: np.ndarray) -> None:
    with pytest.raises(ValueError, match="logit_bias"):
        Predictor(exported.files["fp32"], threads=1, logit_bias=bias)


def test_a_bias_of_zero_changes_nothing(exported: Exported) -> None:
    plain, biased = (
        Predictor(exported.files["fp32"], threads=1, logit_bias=bias).predict(faces(5))
        for bias in (None, np.zeros(7))
    )
    np.testing.assert_array_equal(plain.logits, biased.logits)
    np.testing.assert_allclose(plain.probabilities, biased.probabilities, atol=1e-6)


def test_a_predictor_travels_to_other_processes(exported: Exported) -> None:
    bias = np.linspace(-1, 1, 7)
    predictor = Predictor(exported.files["fp32"], threads=1, logit_bias=bias)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(predictor.predict, faces(2)).result()
    here = predictor.predict(faces(2))
    np.testing.assert_allclose(there.probabilities, here.probabilities, rtol=1e-6)


def test_providers_may_have_options(exported: Exported) -> None:
    pair = ("CPUExecutionProvider", {"use_arena": "0"})
    Predictor(exported.files["fp32"], [pair], threads=1).predict(faces(1))
    with pytest.raises(ModelError, match="no such provider"):
        Predictor(exported.files["fp32"], [("TpuExecutionProvider", {})])


def test_an_answer_that_is_not_finite_is_an_error_and_never_angry(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    sound = predictor.run(predictor.prepare(faces(3)))
    for value in (np.nan, np.inf):
        logits = sound.logits.copy()
        logits[1] = value
        found = Predictions(sound.probabilities, logits)
        assert found.finite.tolist() == [True, False, True]
        with pytest.raises(ModelError, match="image 1"):
            found.decide(0.5)
        with pytest.raises(ModelError, match="image 1"):
            found.top(1)
        assert found.of(found.finite).labels == sound.of(np.array([0, 2])).labels
        monkeypatch.setattr(predictor, "run", lambda _, found=found: found)
        with pytest.raises(ModelError, match="no finite answer"):
            predictor.predict(faces(3))


def test_what_onnxruntime_cannot_run_is_an_error_of_ours(exported: Exported) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    for wrong in (np.zeros((1, 5, 5, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32)):
        with pytest.raises(ModelError, match="cannot run"):
            predictor.run(wrong)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", 32.0),
        ("size", True),
        ("clahe_tile", 4.0),
        ("clahe", 1),
        ("mean", [0.5, 0.5]),
        ("std", [1, 1, "1"]),
        ("crop", "1"),
        ("size", "[" * 100_000),
    ],
)
def test_metadata_of_other_types_are_refused(
    exported: Exported, tmp_path: Path, key: str, value: object
) -> None:
    values = exported.card.preprocessing.to_dict() | {key: value}
    text = value if isinstance(value, str) and value.startswith("[") else json.dumps(values)
    with pytest.raises(ModelError, match="cannot be read"):
        Predictor(_with_props(exported, tmp_path / "changed.onnx", {"preprocessing": text}))
    with pytest.raises(ModelError, match="cannot be read"):
        Predictor(_with_props(exported, tmp_path / "changed.onnx", {"labels": "7"}))
