import numpy as np
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES
from fer_core.evaluation.calibration.calibrators import (
    BiasCorrected,
    PerSource,
    Temperature,
    Vector,
    calibrator_from_json,
    calibrator_to_json,
    rounded,
    source_of,
)

Z = np.array([[2.0, 0, 0, 0, 0, 0, -4], [0, 6.0, 0, 0, 0, 0, 1]], dtype=np.float32)
BIAS = (0.5, 0.0, 0.0, 0.0, 0.0, 0.0, -0.5)
SCALE = (1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 2.0)
EACH = [
    Temperature(2.0),
    BiasCorrected(2.0, BIAS),
    Vector(SCALE, BIAS),
    PerSource(2.0, {"rafdb": 4.0}),
]


@pytest.mark.parametrize(
    ("calibrator", "expected"),
    [
        (EACH[0], [[1, 0, 0, 0, 0, 0, -2], [0, 3, 0, 0, 0, 0, 0.5]]),
        (EACH[1], [[1.5, 0, 0, 0, 0, 0, -2.5], [0.5, 3, 0, 0, 0, 0, 0]]),
        (EACH[2], [[2.5, 0, 0, 0, 0, 0, -8.5], [0.5, 3, 0, 0, 0, 0, 1.5]]),
        (EACH[3], [[0.5, 0, 0, 0, 0, 0, -1], [0, 3, 0, 0, 0, 0, 0.5]]),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_each_map_is_what_its_formula_says(calibrator, expected):
    found = calibrator.apply(Z, ["rafdb", "webcam"])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(
        calibrator.apply(Z[:, None].repeat(3, axis=1), ["rafdb", "webcam"])[:, 2], found
    )  # views


def test_a_row_of_unknown_source_has_the_common_temperature():
    np.testing.assert_array_equal(EACH[3].apply(Z), Z / 2.0)


@pytest.mark.parametrize(
    ("logits", "sources"),
    [(Z, ["rafdb"]), (Z[0], ["rafdb"])],
    ids=["one for two rows", "no axis of rows"],
)
def test_sources_that_are_not_of_the_rows_are_refused(logits, sources):
    with pytest.raises(ArtifactError, match="source of each row"):
        EACH[3].apply(logits, sources)


@pytest.mark.parametrize("calibrator", EACH, ids=lambda c: c.method)
def test_what_is_written_is_read(calibrator):
    values = calibrator_to_json(calibrator)
    assert calibrator_from_json(calibrator.method, values, "here") == calibrator
    if "bias" in values:
        assert values["bias"] == dict(zip(CLASSES, BIAS, strict=True))


def test_rounding_keeps_six_digits_of_every_number():
    third = 1 / 3
    assert rounded(Temperature(third)) == Temperature(0.333333)
    assert rounded(Vector((third,) * 7, (-200 * third,) * 7)) == Vector(
        (0.333333,) * 7, (-66.6667,) * 7
    )
    assert rounded(PerSource(third, {"rafdb": 100 * third})) == PerSource(
        0.333333, {"rafdb": 33.3333}
    )


def swapped(values):
    return {**values, "bias": dict(reversed(values["bias"].items()))}


@pytest.mark.parametrize(
    ("method", "values", "says"),
    [
        ("isotonic", {"temperature": 1.0}, "no such method"),
        ("temperature", {}, "not the parameters"),
        ("temperature", {"temperature": 1.0, "bias": 0.0}, "not the parameters"),
        ("temperature", {"temperature": 0.0}, r"the temperature 0\.0"),
        ("temperature", {"temperature": "2"}, "calibrate nothing"),
        ("temperature", {"temperature": float("inf")}, "the temperature inf"),
        ("bias_corrected", swapped(calibrator_to_json(EACH[1])), "class order"),
        ("bias_corrected", {"temperature": 2.0, "bias": {"Angry": 0.1}}, "class order"),
        (
            "vector",
            {**calibrator_to_json(EACH[2]), "scale": dict.fromkeys(CLASSES, -1.0)},
            r"the scale -1\.0",
        ),
        (
            "per_source",
            {"temperature": 2.0, "temperatures": {"rafdb": -4.0}},
            r"where: here\n  found: the temperature -4\.0",
        ),
    ],
)
def test_parameters_of_nothing_are_refused(method, values, says):
    with pytest.raises(ArtifactError, match=says):
        calibrator_from_json(method, values, "here")


def test_the_source_is_the_start_of_a_sample_id():
    assert source_of("expw/origin/a/b.jpg#2") == "expw"
