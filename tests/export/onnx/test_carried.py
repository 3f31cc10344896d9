"""A file carries the calibration that was chosen: what it answers is what evaluation measures."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import openvino
import pytest
from onnx import helper

from fer_core.base.errors import ModelError
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.calibration.calibrators import (
    BiasCorrected,
    Calibrator,
    PerSource,
    Temperature,
    Vector,
)
from fer_core.evaluation.metrics.deployed import answers_of
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.metrics.record import Evaluation
from fer_core.export.onnx.assembly import metadata_of
from fer_core.export.onnx.export import export_files, export_network
from fer_core.export.onnx.faces import reference_logits
from fer_core.export.onnx.options import Int8Options
from fer_core.export.onnx.parity import check_parity, predict_pack
from fer_core.export.onnx.quantise import quantise
from fer_core.logits.store import Origin, logits_of_rows
from fer_core.predict.calibration import ClassCalibration
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictions, Predictor
from tests.exports import PREPROCESSING, TEMPERATURE, Exported, faces

BIAS = (2.5, -1.5, 0.5, -2.0, 0.75, 1.25, -1.5)
CARRIED: dict[str, Calibrator] = {
    "temperature": Temperature(TEMPERATURE),
    "bias_corrected": BiasCorrected(TEMPERATURE, BIAS),
    "vector": Vector((0.4, 0.9, 0.6, 1.2, 0.5, 0.7, 1.1), BIAS),
}


@pytest.fixture(scope="module", params=CARRIED)
def carried(request: pytest.FixtureRequest) -> Calibrator:
    return CARRIED[request.param]


@pytest.fixture(scope="module")
def files(
    carried: Calibrator, exported: Exported, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp(carried.method)
    metadata = metadata_of(exported.card, carried, "for tests")
    return export_files(exported.network, metadata, 18, ("fp32", "fp16"), folder, "student")


def test_probabilities_are_those_of_the_calibrator_in_onnxruntime(
    carried: Calibrator, files: dict[str, Path]
) -> None:
    for file in files.values():
        predictor = Predictor(file, threads=1)
        found = predictor.predict(faces(28))
        expected = softmax(carried.apply(found.logits))
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
        np.testing.assert_allclose(
            softmax(predictor.metadata.calibrated(found.logits)), expected, atol=1e-12
        )
        assert found.said.tolist() == found.probabilities.argmax(axis=1).tolist()
        assert found.labels == [best[0][0] for best in found.top(1)]
        turned = (found.said != found.logits.argmax(axis=1)).any()
        assert turned == (carried.method != "temperature")


def test_opencv_gives_the_same_probabilities(carried: Calibrator, files: dict[str, Path]) -> None:
    prepared = Predictor(files["fp32"], threads=1).prepare(faces(3))
    network = cv2.dnn.readNetFromONNX(str(files["fp32"]))
    network.setInput(prepared.astype(np.float32), "image")
    logits, probabilities = network.forward(["logits", "probabilities"])
    np.testing.assert_allclose(probabilities, softmax(carried.apply(logits)), atol=1e-6)


def test_openvino_gives_the_same_probabilities(carried: Calibrator, files: dict[str, Path]) -> None:
    prepared = Predictor(files["fp32"], threads=1).prepare(faces(3))
    # its default on some processors is half precision, and it has no pooling in that for the
    # instructions that tests hold all libraries to
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    found = openvino.Core().compile_model(str(files["fp32"]), "CPU", exact)(prepared)
    np.testing.assert_allclose(
        found["probabilities"], softmax(carried.apply(found["logits"])), atol=1e-6
    )


def test_a_plain_temperature_gives_the_bytes_that_it_always_gave(
    exported: Exported, tmp_path: Path
) -> None:
    metadata = metadata_of(exported.card, CARRIED["temperature"], "for tests")
    found = export_files(exported.network, metadata, 18, ("fp32",), tmp_path, "student")["fp32"]
    assert found.read_bytes() == exported.files["fp32"].read_bytes()
    model = onnx.load(found)
    assert [node.op_type for node in model.graph.node][-2:] == ["Div", "Softmax"]
    assert "calibration" not in {item.key for item in model.metadata_props}


def test_file_and_evaluation_agree_on_every_face(
    carried: Calibrator, files: dict[str, Path], exported: Exported, pack: Pack
) -> None:
    reference = reference_logits(exported.network, pack, PREPROCESSING, 1)
    origin = Origin("kd-1", exported.card.weights_sha256, PREPROCESSING.hash())
    test = logits_of_rows(pack.rows, ("test",), origin, reference.logits)
    everything = np.ones(len(pack), dtype=bool)
    evaluation = Evaluation("kd-1", "student", test, test, {"everything": everything}, {}, {})
    answers = answers_of(evaluation, "everything", carried.apply)
    found = predict_pack(Predictor(files["fp32"], threads=1), pack)
    np.testing.assert_allclose(found.probabilities, answers.p, atol=1e-5)
    assert found.said.tolist() == answers.said.tolist()
    parity = check_parity(reference, carried, {"fp32": files["fp32"]}, 1)["fp32"]
    assert parity.agreement == 1 and parity.accuracy == pytest.approx(answers.right.mean())
    other = CARRIED["vector" if carried.method == "temperature" else "temperature"]
    with pytest.raises(ModelError, match="under the calibration"):
        check_parity(reference, other, {"fp32": files["fp32"]}, 1)


def test_a_bias_is_added_before_the_calibration(
    carried: Calibrator, files: dict[str, Path]
) -> None:
    bias = np.linspace(-1, 1, 7)
    plain, biased = (
        Predictor(files["fp32"], threads=1, logit_bias=one).predict(faces(5))
        for one in (None, bias)
    )
    np.testing.assert_allclose(
        biased.probabilities, softmax(carried.apply(plain.logits + bias)), atol=1e-6
    )
    assert biased.probabilities.dtype == np.float32
    assert biased.said.tolist() == biased.probabilities.argmax(axis=1).tolist()


def test_an_absent_class_is_never_answered(
    carried: Calibrator, exported: Exported, tmp_path: Path
) -> None:
    metadata = OnnxMetadata(
        *("small", "fp32", PREPROCESSING, carried.temperature, "a" * 64, "b" * 64, "for tests"),
        absent=("Angry", "Neutral"),
        by_class=metadata_of(exported.card, carried, "for tests").by_class,
    )
    file = export_files(exported.network, metadata, 18, ("fp32",), tmp_path, "student")["fp32"]
    for bias in (None, [50, 0, 0, 0, 0, 0, 50]):
        found = Predictor(file, threads=1, logit_bias=bias).predict(faces(9))
        assert not found.probabilities[:, [0, 6]].any()
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_eight_bits_are_judged_by_the_calibrated_answers(exported: Exported) -> None:
    single = export_network(exported.network, PREPROCESSING.size, 18)
    images = np.random.default_rng(0).normal(size=(32, 3, 32, 32)).astype(np.float32)
    one, other = (
        quantise(single, images, CARRIED[name], Int8Options(max_kl=10.0)).kl
        for name in ("temperature", "vector")
    )
    assert one != other


def test_temperatures_by_source_are_no_part_of_a_file(exported: Exported) -> None:
    metadata = metadata_of(exported.card, PerSource(1.3, {"expw": 1.1}), "for tests")
    assert (metadata.temperature, metadata.by_class) == (1.3, None)


def test_predictions_of_several_calls_keep_the_calibration() -> None:
    by_class = ClassCalibration((1.0,) * 7, (0.0, 9.0, *(0.0,) * 5))
    logits = np.eye(7, dtype=np.float32)[:1]
    one = Predictions(softmax(by_class.apply(logits)), logits, by_class)
    both = Predictions.joined([one, one])
    assert both.labels == ["Disgust", "Disgust"] and both.of(np.array([1])).labels == ["Disgust"]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "{}",
        json.dumps({"scale": [1] * 7, "bias": [0] * 7, "more": 1}),
        json.dumps({"scale": 1, "bias": [0] * 7}),
        json.dumps({"scale": [1] * 6, "bias": [0] * 7}),
        json.dumps({"scale": [1] * 7, "bias": [0] * 8}),
        json.dumps({"scale": [1] * 6 + [0], "bias": [0] * 7}),
        json.dumps({"scale": [1] * 6 + [-1], "bias": [0] * 7}),
        json.dumps({"scale": [1] * 6 + [10**400], "bias": [0] * 7}),
        json.dumps({"scale": [1] * 7, "bias": [0] * 6 + ["1"]}),
        json.dumps({"scale": [1] * 7, "bias": [0] * 6 + [True]}),
        '{"scale": [1, 1, 1, 1, 1, 1, 1e999], "bias": [0, 0, 0, 0, 0, 0, 0]}',
        '{"scale": [1, 1, 1, 1, 1, 1, 1], "bias": [0, 0, 0, 0, 0, 0, NaN]}',
    ],
)
def test_a_calibration_that_may_be_misread_is_refused(
    exported: Exported, tmp_path: Path, text: str
) -> None:
    model = onnx.load(exported.files["fp32"])
    props = {item.key: item.value for item in model.metadata_props} | {"calibration": text}
    del model.metadata_props[:]
    helper.set_model_props(model, props)
    (tmp_path / "changed.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="cannot be read"):
        Predictor(tmp_path / "changed.onnx")
