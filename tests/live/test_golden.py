"""The golden vectors, which the page's engine is held to as well: what is committed is what the
engine computes, and what can be worked out by hand is right.
"""

import json
from typing import Any

import numpy as np
import pytest

from fer_core.evaluation.metrics.metrics import softmax
from fer_core.live.scoring import Scored, score
from fer_core.live.smoothing import Smoother
from fer_core.live.specification import Score, Smooth, Track
from fer_core.live.tracking import Tracker
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.calibration import ClassCalibration
from fer_core.predict.detection import FaceBox, YuNet, crop_face, shrunk_to
from fer_core.predict.fetching import detector_file
from tests.live.make_golden import GOLDEN, decoded, metadata


def cases(name: str) -> list[Any]:
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case, id=case["name"]) for case in map(json.loads, lines)]


def case(name: str, title: str) -> dict[str, Any]:
    (found,) = [one.values[0] for one in cases(name) if title in one.id]
    return found


@pytest.mark.parametrize("line", cases("pictures"))
def test_pictures(line: dict[str, Any]) -> None:
    image = decoded(line["image"])
    if line["kind"] == "prepare":
        found = Preprocessing.from_dict(line["preprocessing"]).prepare(image)
    elif line["kind"] == "crop":
        found = crop_face(image, FaceBox(*line["box"], 1.0), line["margin"])
    else:
        found = shrunk_to(image, line["longest_side"])
    np.testing.assert_array_equal(found, decoded(line["expected"]))


@pytest.mark.parametrize("line", cases("calibration"))
def test_calibration(line: dict[str, Any]) -> None:
    by_class = line["network"].get("by_class")
    carried = None if by_class is None else ClassCalibration.from_json(json.dumps(by_class))
    found = softmax(metadata(carried).calibrated(np.array(line["logits"])))
    np.testing.assert_allclose(found, line["probabilities"], atol=1e-12)
    assert (found[2] == 0) == ("never answered" in line["name"])


def test_detection() -> None:
    lines = [one.values[0] for one in cases("detection")]
    image, yunet = decoded(lines[0]["image"]), YuNet(detector_file())
    for line in lines:
        found = yunet.detect(image, line["longest_side"])
        np.testing.assert_allclose(
            [[box.left, box.top, box.width, box.height] for box in found], line["boxes"], atol=1
        )
        np.testing.assert_allclose([box.score for box in found], line["scores"], atol=1e-3)
    assert [len(line["boxes"]) for line in lines] == [2, 2]


@pytest.mark.parametrize("line", cases("tracking"))
def test_tracking(line: dict[str, Any]) -> None:
    tracker = Tracker(Track(**line["rules"]))
    for frame in line["frames"]:
        assert tracker.update(frame["time"], [tuple(box) for box in frame["boxes"]]) == frame["ids"]
        assert tracker.main == frame["main"]


@pytest.mark.parametrize("line", cases("smoothing"))
def test_smoothing(line: dict[str, Any]) -> None:
    smoother = Smoother(Smooth(**line["rules"]))
    for frame in line["frames"]:
        smoothed = smoother.update(frame["time"], np.array(frame["p"]))
        np.testing.assert_allclose(smoothed, frame["p_smoothed"], atol=1e-6)
        assert smoother.name == frame["label"]


@pytest.mark.parametrize("line", cases("scoring"))
def test_scoring(line: dict[str, Any]) -> None:
    found = score([Scored(*row) for row in line["frames"]], Score(**line["rules"]))
    del found["intervals"]
    _compare(found, line["score"])


def _compare(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            _compare(found[key], value)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-6)
    else:
        assert found == expected


def test_tracking_by_hand() -> None:
    def ids(title: str) -> list[list[int]]:
        return [frame["ids"] for frame in case("tracking", title)["frames"]]

    assert ids("overlap keeps") == [[1], [1]]
    assert ids("a jump") == [[1], [1], [2]]
    assert ids("half a second") == [[1], [], [1], [2]]
    assert ids("greater overlap") == [[1], [2, 1]]
    main = [frame["main"] for frame in case("tracking", "main face stays")["frames"]]
    assert main == [2, 2, 2, 4]


def test_smoothing_by_hand() -> None:
    """At a step of probabilities a to b, the average's log-odds go over by 1 - exp(-t / tau)."""
    line = case("smoothing", "a switch of label")
    high, low = line["frames"][0]["p"][3], line["frames"][0]["p"][0]
    for frame in line["frames"][5:]:
        rest = np.exp(-(frame["time"] - 0.4) / line["rules"]["tau_s"])
        odds = np.log(high / low) * (2 * rest - 1)
        happy, sad = frame["p_smoothed"][3], frame["p_smoothed"][4]
        assert np.log(happy / sad) == pytest.approx(odds, abs=1e-4)
    labels = [frame["label"] for frame in line["frames"]]
    assert labels == ["Happy"] * 6 + ["Sad"] * 8
    odd = case("smoothing", "one odd frame")["frames"]
    assert {frame["label"] for frame in odd} == {"Happy"}


def test_scoring_by_hand() -> None:
    edges = case("scoring", "edges")["score"]
    assert edges["scored"] == {
        "scored_frames": 4,  # of 0.0 ... 0.9 those of 0.3 ... 0.6
        "accuracy": 1.0,
        "segments": 1,
        "segments_left_out": 1,  # 0.4 s long
    }
    assert edges["metrics"]["raw"]["accuracy"] == 3 / 4
    assert edges["flips_per_min"]["raw"]["scored"] == pytest.approx(2 / (0.3 / 60))
    uncertain = case("scoring", "uncertain is wrong")["score"]["metrics"]["smoothed"]
    assert uncertain["accuracy"] == uncertain["coverage"] == 5 / 8
    assert uncertain["per_class_f1"]["Happy"] == pytest.approx(2 * 3 / (3 + 4))
    assert uncertain["macro_f1_present"] == pytest.approx((6 / 7 + 4 / 6) / 2)
    never = case("scoring", "never given")["score"]["switch_delay_ms"]["smoothed"]
    assert never == {"changes": 2, "never": 1, "median": None}
    calibration = case("scoring", "calibration")["score"]["metrics"]["raw"]
    assert calibration["ece"] == pytest.approx(0.2)
    assert calibration["nll"] == pytest.approx(-np.log(0.8))
