import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.sources.families.raf import identifiers, list_places, read_list
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.rafdb_basic import READER as rafdb_basic
from fer_core.sources.reading.reader import Entry
from tests.sources.trees import clean_options, put

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
        "list_patition_label.txt",
        "list_partition_label.txt",
        "basic/list_patition_label.txt",
        "basic/list_partition_label.txt",
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
    file = tree.where(LABELS)
    wanted = [
        (Line(file, number, line), line.split()[0], split, identifier)
        for number, (line, (split, identifier)) in enumerate(zip(lines, listed, strict=True), 1)
    ]
    known = {str(identifier): identifier for identifier in range(1, 12)}
    assert list(read_list(tree, LABELS, known, "")) == wanted
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


def located(root):
    entry = Entry(key="a.jpg", split="train", label=0, line=Line(root / LABELS, 1, ""))
    return [found.path for found in rafdb_basic.located(open_tree(root), [entry], clean_options())]


def test_suffixed_aligned_face_comes_before_all_others(tmp_path):
    places = [
        "aligned/aligned/a_aligned.jpg",
        "aligned/a_aligned.jpg",
        "aligned/aligned/a.jpg",
        "aligned/a.jpg",
    ]
    places += ["original/original/a.jpg", "original/a.jpg"]
    (tmp_path / LABELS).parent.mkdir()
    (tmp_path / LABELS).touch()
    for place in places:
        put(tmp_path / "Image" / place)
    for place in places:
        assert located(tmp_path) == [f"Image/{place}"]
        (tmp_path / "Image" / place).unlink()
    with pytest.raises(DataError, match="1 of 1 listed images are missing"):
        located(tmp_path)
