import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import f1_score

from fer_core.base.absent import declare_absent
from fer_core.base.errors import ArtifactError, ModelError
from fer_core.base.files import read_json, write_json
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.calibration.calibrators import Temperature
from fer_core.export.onnx.export import export_files, save_onnx
from fer_core.export.onnx.faces import reference_logits
from fer_core.export.onnx.gates import GATES, Parity, read_parity, write_parity
from fer_core.export.onnx.options import Precision
from fer_core.export.onnx.parity import (
    Reference,
    check_parity,
    drop_refused,
    measure_parity,
    predict_pack,
)
from fer_core.images.bank import ImageBank
from fer_core.models.networks.inference import logits_of
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictions, Predictor
from tests.exports import PREPROCESSING, TEMPERATURE, Exported

CARRIED = Temperature(TEMPERATURE)
HALVES: tuple[Precision, ...] = ("fp32", "fp16")


@pytest.fixture(scope="module")
def reference(exported: Exported, pack: Pack) -> np.ndarray:
    bank = ImageBank(pack, range(len(pack)), PREPROCESSING, None, 1, torch.device("cpu"))
    return logits_of(exported.network, bank, np.arange(len(pack)), range(1), "fp32")[:, 0]


def _on(pack: Pack, reference: np.ndarray) -> Reference:
    return Reference(pack, np.arange(len(pack)), reference)


def _changed(
    exported: Exported,
    path: Path,
    change: Callable[[onnx.ModelProto], None],
    precision: Precision = "fp32",
) -> Path:
    model = onnx.load(exported.files[precision])
    change(model)
    save_onnx(model, path)
    return path


def _corrupt_weight(model: onnx.ModelProto) -> None:
    weight = next(
        item for item in model.graph.initializer if len(item.dims) == 4 and item.dims[0] > 1
    )
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] += 0.05 * np.abs(values).max()
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def _set_constant(name: str, value: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        item = next(item for item in model.graph.initializer if item.name == name)
        item.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))

    return change


def test_both_precisions_pass_on_every_face(
    exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    results = check_parity(_on(pack, reference), CARRIED, exported.files, 1)
    assert results["fp32"].rows == len(pack) == 28
    assert results["fp32"].relative < 1e-5
    assert results["fp32"].relative < results["fp16"].relative < 1e-2
    assert (
        results["fp32"].agreement == 1
        and results["fp32"].macro_f1 == results["fp32"].macro_f1_reference
    )
    assert len(set(reference.argmax(axis=1))) > 1


def test_corrupted_weight_is_refused(
    tmp_path: Path, exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    path = _changed(exported, tmp_path / "student.fp32.onnx", _corrupt_weight)
    with pytest.raises(ModelError, match=r"student\.fp32\.onnx[\s\S]*logit difference"):
        check_parity(_on(pack, reference), CARRIED, {"fp32": path}, 1)


def test_wrong_temperature_in_the_file_is_refused(
    tmp_path: Path, exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    wrong = _set_constant("temperature", np.array(TEMPERATURE * 1.001))
    files = {
        precision: _changed(exported, tmp_path / f"student.{precision}.onnx", wrong, precision)
        for precision in HALVES
    }
    with pytest.raises(ModelError, match="under the calibration"):
        check_parity(_on(pack, reference), CARRIED, {"fp32": files["fp32"]}, 1)
    half: dict[Precision, Path] = {"fp16": files["fp16"]}
    results = check_parity(_on(pack, reference), CARRIED, half, 1)
    assert any("under the calibration" in one for one in GATES["fp16"].broken_by(results["fp16"]))
    assert drop_refused(half, results) == {} and not files["fp16"].exists()


def test_wrong_normalisation_in_the_file_is_refused(
    tmp_path: Path, exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    path = _changed(
        exported,
        tmp_path / "student.fp32.onnx",
        _set_constant("shift", np.full((1, 3, 1, 1), -1.9)),
    )
    with pytest.raises(ModelError, match="logit difference"):
        check_parity(_on(pack, reference), CARRIED, {"fp32": path}, 1)


def test_half_precision_does_not_pass_the_gate_of_single(
    exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    with pytest.raises(ModelError):
        check_parity(_on(pack, reference), CARRIED, {"fp32": exported.files["fp16"]}, 1)


def test_torch_side_does_not_come_from_the_file(
    exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    found = predict_pack(Predictor(exported.files["fp32"], threads=1), pack).logits
    assert not np.array_equal(found, reference)
    np.testing.assert_allclose(found, reference, atol=1e-4 * np.abs(reference).max())


def test_figures_agree_with_scipy_and_sklearn() -> None:
    rng = np.random.default_rng(0)
    reference, labels = rng.normal(size=(50, 7)).astype(np.float32), rng.integers(0, 7, 50)
    logits = reference + rng.normal(scale=0.3, size=(50, 7)).astype(np.float32)
    parity = measure_parity(
        reference, Temperature(2.0), Predictions(softmax(logits / 2, axis=1), logits), labels
    )
    p, q = softmax(reference.astype(float) / 2, axis=1), softmax(logits.astype(float) / 2, axis=1)
    assert parity.kl == pytest.approx(entropy(p, q, axis=1).mean(), rel=1e-5)
    assert parity.maxabsdiff == pytest.approx(np.abs(logits - reference).max(), rel=1e-6)
    assert parity.meanabsdiff == pytest.approx(np.abs(logits - reference).mean(), rel=1e-6)
    assert parity.max_probability_diff == pytest.approx(np.abs(p - q).max(), rel=1e-5)
    assert parity.mean_probability_diff == pytest.approx(np.abs(p - q).mean(), rel=1e-5)
    assert parity.max_softmax_error < 1e-6
    assert parity.agreement == np.mean(logits.argmax(1) == reference.argmax(1)) < 1
    assert parity.macro_f1 == pytest.approx(
        f1_score(labels, logits.argmax(1), average="macro", labels=range(7))
    )
    assert parity.macro_f1_reference == pytest.approx(
        f1_score(labels, reference.argmax(1), average="macro", labels=range(7))
    )
    assert parity.to_dict()["macro_f1_drop"] == pytest.approx(
        parity.macro_f1_reference - parity.macro_f1, abs=1e-6
    )


def test_tie_turned_by_rounding_is_counted_apart_and_a_real_turn_is_not() -> None:
    reference = np.array([[5, 5 - 1e-6, 0, 0, 0, 0, 0], [1, 3, 0, 0, 0, 0, 0]], dtype=np.float64)
    tie, turn = reference.copy(), reference.copy()
    tie[0, 1] += 2e-6
    turn[1, 0] = 3.1
    parity = measure_parity(
        reference, Temperature(1.0), Predictions(softmax(tie, axis=1), tie), np.array([0, 1])
    )
    assert (parity.ties, parity.agreement) == (1, 1.0)
    assert GATES["fp16"].broken_by(
        measure_parity(
            reference, Temperature(1.0), Predictions(softmax(turn, axis=1), turn), np.array([0, 1])
        )
    )


def test_other_number_of_rows_and_values_not_finite_are_refused() -> None:
    logits = np.ones((3, 7))
    with pytest.raises(ArtifactError, match="same faces"):
        measure_parity(
            logits, Temperature(1.0), Predictions(logits[:2], logits[:2]), np.zeros(3, int)
        )
    with pytest.raises(ModelError, match="not finite"):
        measure_parity(
            logits, Temperature(1.0), Predictions(logits * np.nan, logits), np.zeros(3, int)
        )


def test_record_is_read_back_and_another_schema_refused(
    tmp_path: Path, exported: Exported, pack: Pack, reference: np.ndarray
) -> None:
    results = check_parity(_on(pack, reference), CARRIED, exported.files, 1)
    path = tmp_path / "onnxparity.json"
    write_parity(path, results, CARRIED, pack.rows)
    record = read_parity(path)
    assert (record["rows_expected"], record["rows_used"], record["rows_sha256"]) == (
        28,
        28,
        pack.rows.sha256,
    )
    assert record["precisions"]["fp16"]["pass"] is True and record["refused"] == {}
    short = read_json(path)
    del short["precisions"]["fp32"]["kl"]
    write_json(path, short)
    with pytest.raises(ArtifactError, match="Field required"):
        read_parity(path)
    write_json(path, read_json(path) | {"schema": 2})
    with pytest.raises(ArtifactError, match="schema"):
        read_parity(path)


def _lossy(reference: np.ndarray, labels: np.ndarray, wrong: int) -> Predictions:
    """The reference's answers, but for so many right ones that are turned."""
    logits = reference.astype(np.float64).copy()
    for row in np.flatnonzero(reference.argmax(axis=1) == labels)[:wrong]:
        logits[row] = np.roll(logits[row], 1)
    return Predictions(softmax(logits, axis=1), logits)


@pytest.mark.parametrize(("wrong", "promoted"), [(2, True), (5, False), (12, False)])
def test_eight_bits_may_turn_some_answers_but_lose_only_so_much(wrong: int, promoted: bool) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(700) % 7
    reference = rng.normal(size=(700, 7)) + 3 * np.eye(7)[labels]
    parity = measure_parity(reference, Temperature(1.0), _lossy(reference, labels, wrong), labels)
    assert parity.agreement < 1
    assert (not GATES["int8"].broken_by(parity)) is promoted
    gain = measure_parity(
        _lossy(reference, labels, wrong).logits,
        Temperature(1.0),
        Predictions(softmax(reference, axis=1), reference),
        labels,
    )
    assert gain.macro_f1_drop < 0 and gain.accuracy > gain.accuracy_reference
    assert not any("drop" in fault for fault in GATES["int8"].broken_by(gain)), "a gain is no loss"


def test_eight_bit_file_that_fails_is_deleted_and_recorded_while_others_stay(
    tmp_path: Path,
    exported: Exported,
    pack: Pack,
    reference: np.ndarray,
    caplog: pytest.LogCaptureFixture,
) -> None:
    single = Path(shutil.copy(exported.files["fp32"], tmp_path))
    spoilt = _changed(
        exported,
        tmp_path / "student.int8.onnx",
        _set_constant("shift", np.full((1, 3, 1, 1), -9.9)),
    )
    results = check_parity(_on(pack, reference), CARRIED, {"fp32": single, "int8": spoilt}, 1)
    faults = GATES["int8"].broken_by(results["int8"])
    assert faults
    assert drop_refused({"fp32": single, "int8": spoilt}, results) == {"fp32": single}
    assert (
        single.exists()
        and not spoilt.exists()
        and "student.int8.onnx is not handed out" in caplog.text
    )
    write_parity(tmp_path / "onnxparity.json", results, CARRIED, pack.rows)
    record = read_parity(tmp_path / "onnxparity.json")
    assert list(record["precisions"]) == ["fp32"]
    assert (
        record["refused"]["int8"]["reasons"] == faults
        and record["refused"]["int8"]["pass"] is False
    )


def test_an_absent_class_is_never_answered_and_a_file_that_would_is_refused(
    exported: Exported, pack: Pack, tmp_path: Path
) -> None:
    metadata = OnnxMetadata(
        *("small", "fp32", PREPROCESSING, TEMPERATURE, "a" * 64, "b" * 64, "for tests"),
        absent=("Fear", "Neutral"),
    )
    files = export_files(exported.network, metadata, 18, ("fp32", "fp16"), tmp_path, "student")
    declare_absent({"labels": {"absent": ["Fear", "Neutral"]}})
    try:
        masked = reference_logits(exported.network, pack, PREPROCESSING, 1)
    finally:
        declare_absent({})
    assert check_parity(masked, CARRIED, files, 1)["fp32"].scale < 1e3
    predictor = Predictor(files["fp32"], logit_bias=[0, 0, 50, 0, 0, 0, 50])
    found = predict_pack(predictor, pack)
    assert predictor.metadata.absent == ("Fear", "Neutral")
    assert not found.probabilities[:, [2, 6]].any()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ModelError, match="does not give"):
        check_parity(masked, CARRIED, {"fp32": exported.files["fp32"]}, 1)


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_val_and_calib_rows_decide_on_fewer_bits_and_test_rows_are_only_reported(
    exported: Exported, pack: Pack, reference: np.ndarray, precision: Precision
) -> None:
    """The same file, once with a reference of other rows that it agrees with, once not."""
    files, other = {precision: exported.files["fp16"]}, np.roll(reference, 1, axis=1)
    on, gate = _on(pack, reference), GATES[precision]
    bad_on_test = check_parity(_on(pack, other), CARRIED, files, 1, chosen_on=on)[precision]
    assert bad_on_test.agreement < 0.5 and not gate.broken_by(bad_on_test)
    good_on_test = check_parity(on, CARRIED, files, 1, chosen_on=_on(pack, other))[precision]
    assert good_on_test.agreement > 0.9 and gate.broken_by(good_on_test)
    assert good_on_test.to_dict()["chosen_on"]["agreement"] < 0.5


def sound(**changes: float) -> Parity:
    scores = dict.fromkeys(("macro_f1_reference", "macro_f1"), 0.8)
    scores |= dict.fromkeys(("accuracy_reference", "accuracy"), 0.8)
    scores |= dict.fromkeys(("ece_reference", "ece"), 0.05)
    figures = dict.fromkeys(["maxabsdiff", "meanabsdiff", "relative"], 0.01)
    figures |= dict.fromkeys(["max_probability_diff", "mean_probability_diff"], 0.01)
    whole = Parity(
        rows=700,
        ties=0,
        scale=5.0,
        agreement=0.998,
        max_softmax_error=0.0,
        kl=1e-4,
        **figures,
        **scores,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("precision", "change", "words"),
    [
        ("int8", {"agreement": 0.974}, "another class"),
        ("int8", {"accuracy": 0.79}, "drop of accuracy"),
        ("int8", {"ece": 0.061}, "rise of ECE"),
        ("int8", {"macro_f1": 0.78}, "drop of macro-F1"),
        ("fp16", {"agreement": 0.994}, "another class"),
        ("fp16", {"accuracy": 0.79}, "drop of accuracy"),
        ("fp16", {"ece": 0.061}, "rise of ECE"),
        ("fp16", {"macro_f1": 0.78}, "drop of macro-F1"),
    ],
)
def test_fewer_bits_have_a_gate_for_each_figure(
    precision: Precision, change: dict[str, float], words: str
) -> None:
    assert not GATES[precision].broken_by(sound())
    (fault,) = GATES[precision].broken_by(sound(**change))
    assert words in fault


def test_rounding_in_single_precision_is_recorded_as_its_bound() -> None:
    """So a processor on which onnxruntime rounds in another way gives the same record."""
    here = sound(maxabsdiff=2.38e-6, relative=3.8e-7, kl=1.1e-9, max_softmax_error=1.6e-7)
    there = replace(here, maxabsdiff=2.9e-6, relative=4.6e-7, kl=1.3e-9, max_softmax_error=1.2e-7)
    assert here.to_dict() == there.to_dict()
    assert here.to_dict()["maxabsdiff"] == 1e-5 and here.to_dict()["kl"] == 1e-7
    assert sound(maxabsdiff=0.002413).to_dict()["maxabsdiff"] == 0.0024
