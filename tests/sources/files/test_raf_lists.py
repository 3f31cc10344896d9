import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.raf_lists import Entry, identifiers, list_places, locate, read_list
from fer_core.sources.files.tree import open_tree
from tests.sources.trees import put

LABELS = "EmoLabel/list_patition_label.txt"


def written(root, text: str):
    (root / "EmoLabel").mkdir(parents=True, exist_ok=True)
    (root / LABELS).write_text(text)
    return open_tree(root)


def test_list_is_looked_for_in_both_spellings_and_one_folder_down():
    assert list_places("basic") == [
        "EmoLabel/list_patition_label.txt",
        "EmoLabel/list_partition_label.txt",
        "basic/EmoLabel/list_patition_label.txt",
        "basic/EmoLabel/list_partition_label.txt",
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(["train", "test"]), st.integers(1, 11)), min_size=1, max_size=20
    )
)
def test_every_line_comes_back_in_order(tmp_path_factory, listed):
    lines = [
        f"{split}_{number:05}.jpg {identifier}" for number, (split, identifier) in enumerate(listed)
    ]
    tree = written(tmp_path_factory.mktemp("raf"), "\n".join(lines) + "\n")
    wanted = [
        Entry(f"{split}_{number:05}.jpg", identifier, split, Line(number + 1, lines[number]))
        for number, (split, identifier) in enumerate(listed)
    ]
    assert read_list(tree, LABELS, 11, "") == wanted
    assert identifiers(tree, LABELS) == {identifier for _, identifier in listed}


def test_identifiers_pass_over_faulty_lines(tmp_path):
    huge = "9" * 5000
    assert identifiers(
        written(
            tmp_path,
            f"train_1.jpg 3\ntrain_2.jpg\ntrain_3.jpg x\ntrain_4.jpg -1\ntrain_5.jpg {huge}\n",
        ),
        LABELS,
    ) == {3}


def test_suffixed_aligned_face_comes_before_all_others(tmp_path):
    places = [
        "aligned/aligned/a_aligned.jpg",
        "aligned/a_aligned.jpg",
        "aligned/aligned/a.jpg",
        "aligned/a.jpg",
    ]
    places += ["original/original/a.jpg", "original/a.jpg"]
    for place in places:
        put(tmp_path / "Image" / place)
    for place in places:
        assert locate(open_tree(tmp_path), LABELS, {"a.jpg": Line(1, "")}) == {
            "a.jpg": f"Image/{place}"
        }
        (tmp_path / "Image" / place).unlink()
    with pytest.raises(DataError, match="1 of 1 listed images are missing"):
        locate(open_tree(tmp_path), LABELS, {"a.jpg": Line(1, "")})
