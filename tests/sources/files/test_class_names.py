import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.sources.files.class_names import read_class_names
from fer_core.sources.files.tree import open_tree

ALPHABETICAL = ["Anger", "Contempt", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
# as copies on the web have it: a list over several lines, among keys for the trainer
LIST = """\
data: "../YOLO_format"

train: "../YOLO_format/train/images"
val: "../YOLO_format/valid/images"

nc: 8

names:
  [
    "Anger", # comment
    "Contempt",
    "Disgust",
    "Fear",
    "Happy",
    "Neutral",
    "Sad",
    "Surprise",
  ]

network: "yolov8n"
"""
MAPPING = """\
names:
  0: Neutral
  7: Contempt
  1: Happy
  2: Sad
  3: Surprise
  4: Fear
  5: Disgust
  6: Anger
"""


def names_in(folder, text):
    (folder / "data.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_class_names(open_tree(folder), "data.yaml")


def test_names_are_read_from_a_list_or_a_mapping_in_the_order_of_their_ids(tmp_path):
    assert names_in(tmp_path, LIST) == ALPHABETICAL
    assert names_in(tmp_path, MAPPING) == [
        "Neutral",
        "Happy",
        "Sad",
        "Surprise",
        "Fear",
        "Disgust",
        "Anger",
        "Contempt",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "names: [sad, happy]\n",
        "names:\n- sad\n- happy\nnc: 2",
        "names: {'1': happy, '0': sad}\nnc: '2'",
    ],
)
def test_forms_of_yaml_do_not_matter(tmp_path, text):
    for form in (text, text.replace("\n", "\r\n"), b"\xef\xbb\xbf" + text.encode()):
        assert names_in(tmp_path, form) == ["sad", "happy"]


def test_words_that_yaml_takes_for_other_things_stay_text(tmp_path):
    assert names_in(tmp_path, "names: [no, null, 7, 2001-01-01, happy, 'off ']") == [
        "no",
        "null",
        "7",
        "2001-01-01",
        "happy",
        "off",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nc: 8\n", "no class names.*keys nc"),
        ("", "no class names.*no keys"),
        ("- happy\n", "no class names.*no keys"),
        ("names:\n", "no class names"),
        ("names: []\n", "no class names"),
        ("names: happy sad\n", "no class names.*happy sad"),
        (f"names: [{', '.join(['happy', *map(str, range(1000))])}]", "no class names"),
        ("names: [happy, sad]\nnc: 8\n", "not as many class names as nc says.*nc: 8, 2 names"),
        ("names: [happy, sad]\nnc:\n", "not as many class names as nc says"),
        ("names: [happy, sad]\nnc: two\n", "not as many class names as nc says.*nc: two"),
        ("names: [Angry, happy, Anger]\n", "Two class names mean Angry.*'Angry' and 'Anger'"),
        (
            "names: [happy, Contempt, contempt]\n",
            "Two class names mean contempt.*'Contempt' and 'contempt'",
        ),
        ("names: {0: happy, 2: sad}\n", "ids of the class names are not 0, 1.*0, 2"),
        ("names: {1: happy, 2: sad}\n", "ids of the class names"),
        ("names: {0: happy, 0: sad}\n", "not valid YAML.*data.yaml.*key 0: twice.*line 1"),
        ("names: [happy]\nnames: [sad]\n", "not valid YAML.*data.yaml.*key 'names': twice.*line 2"),
        ("names: [car, person]\n", "None of the names is one of the seven classes.*car, person"),
        ("names: [happy, [sad]]\n", "no short text.*sad"),
        ("names: [happy, '']\n", "no short text"),
        ('names: [happy, "a\\0b"]\n', "no short text"),
        ('names: [happy, "\\ud800"]\n', "not valid YAML"),
        (f"names: [happy, {'x' * 65}]\n", "no short text"),
        ("names: [happy\nnc: 1\n", "not valid YAML.*data.yaml.*line"),
        ("names: [happy]\n\x01", "not valid YAML"),
        ("names: [happy]\n---\nnames: [sad]\n", "not valid YAML"),
        (
            f"train: x\ntrain: {'9' * 5000}\n",
            "not valid YAML.*data.yaml.*key 'train': twice.*line 2",
        ),
        ("".join(f'"{"k" * 99}\\0{n}": 1\n' for n in range(99)), "no class names.*kkk"),
        (b"names: [happy, \xff]\n", "not text"),
        ("names: [happy]\nx: *a\n", "not valid YAML.*undefined alias"),
        ("names: [happy]\nx: " + "[" * 30000, "not valid YAML.*more than 50 levels"),
        ("names: [happy]\n#" + "x" * 65536, "too large.*more than 65536 bytes"),
    ],
)
def test_faulty_file_is_named(tmp_path, text, problem):
    with pytest.raises(DataError, match=rf"(?s){problem}") as caught:
        names_in(tmp_path, text)
    assert (
        "data.yaml" in str(caught.value)
        and "\0" not in str(caught.value)
        and max(map(len, str(caught.value).splitlines())) < 1000
    )


def test_aliases_cannot_blow_the_file_up(tmp_path):
    laughs = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    tracemalloc.start()
    started = time.monotonic()
    try:
        with pytest.raises(DataError, match=r"(?s)not valid YAML.*20 aliases"):
            names_in(tmp_path, "\n".join([*laughs, "names: *a11"]))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 5


def test_tags_make_no_objects(tmp_path):
    for text in ("names: [happy, {} sad]", "names: [happy, sad]\nx: {} []"):
        with pytest.raises(DataError, match=r"(?s)not valid YAML.*os\.abort"):
            names_in(tmp_path, text.format("!!python/object/apply:os.abort"))


@given(
    text=st.text(alphabet="names: [{}],-&*!|>'\"#%\n\t0128happysd", max_size=60)
    | st.text(max_size=40)
)
def test_any_text_gives_names_or_an_error(tmp_path_factory, text):
    for form in (text, f"names: [happy, {text}]\n"):
        try:
            names = names_in(tmp_path_factory.mktemp("names"), form.encode("utf-8", "replace"))
        except DataError as error:
            assert "data.yaml" in str(error)
        else:
            assert "".join(names).encode() and all(names)
