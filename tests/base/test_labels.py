import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES, INDEX, check_class_order, class_index


def test_canonical_order_is_that_of_fer2013() -> None:
    assert CLASSES == ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anger", 0),
        ("DISGUSTED", 1),
        ("Fearful ", 2),
        ("happiness", 3),
        ("sadness", 4),
        ("suprise", 5),
        ("neutral", 6),
        ("su-rprise", 5),
    ],
)
def test_spellings_of_the_field_are_known(name: str, expected: int) -> None:
    assert class_index(name) == expected


@pytest.mark.parametrize("name", ["contempt", "none", "", "other", "unknown", "happysad"])
def test_names_outside_the_seven_are_no_class(name: str) -> None:
    assert class_index(name) is None


@given(st.text())
def test_any_text_is_a_class_or_none(name: str) -> None:
    assert class_index(name) in (None, *range(7))


def test_another_order_is_refused_with_both_orders() -> None:
    with pytest.raises(ArtifactError, match="class order") as caught:
        check_class_order(sorted(CLASSES), "model.json")
    assert "Angry" in str(caught.value)
    assert "model.json" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("0_angry", "Angry"),
        ("05-Surprize", "Surprise"),
        ("natural", "Neutral"),
        ("3. happy", "Happy"),
    ],
)
def test_numbered_and_misspelt_names_are_known(name: str, meant: str) -> None:
    assert class_index(name) == INDEX[meant]


@pytest.mark.parametrize("name", ["0", "7_", "0_contempt", "12345_happy"])
def test_a_number_alone_is_no_class(name: str) -> None:
    assert class_index(name) is None
