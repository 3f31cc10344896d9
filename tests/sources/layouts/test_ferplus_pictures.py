import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.ferplus_pictures import READER as ferplus_pictures
from tests.sources.trees import encoded, picture, put, read

# lines as the authors' lists have them: name, box, neutral happiness surprise sadness anger disgust
# fear contempt unknown NF
LISTS = {
    "FER2013Train": [
        "fer0000001.png 6,0,1,1,0,0,0,0,2,0",
        "fer0000000.png 4,0,0,1,3,2,0,0,0,0",
        "fer0000002.png 1,0,0,0,0,0,0,9,0,0",
    ],
    "FER2013Valid": ["fer0028641.png 5,5,0,0,0,0,0,0,0,0", "fer0028642.png 0,10,0,0,0,0,0,0,0,0"],
    "FER2013Test": ["fer0032220.png 0,0,3,0,0,0,7,0,0,0"],
}


def tree(root, top=""):
    for folder, lines in LISTS.items():
        text = ""
        for seed, line in enumerate(lines):
            name, votes = line.split()
            put(root / top / folder / name, seed, height=48, width=48, channels=1)
            text += f'{name},"(0, 0, 48, 48)",{votes}\n'
        (root / top / folder / "label.csv").write_text(text)
    return root


@pytest.mark.parametrize("top", ["", "data", "FERPlus-master/data"])
def test_output_of_the_authors_program_is_read_by_its_votes(tmp_path, top):
    root = tree(tmp_path, top)
    assert recognise(open_tree(root)) == "ferplus_pictures"
    faces, exclusions = read(ferplus_pictures, root, "set")
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("set/FER2013Train/fer0000001.png", "Neutral", "train", "FER2013Train"),
        ("set/FER2013Valid/fer0028642.png", "Happy", "val", "FER2013Valid"),
        ("set/FER2013Test/fer0032220.png", "Fear", "test", "FER2013Test"),
    ]
    assert faces[0].image == encoded(picture(0, 48, 48, 1)) and faces[0].votes == (
        0,
        0,
        0,
        0,
        1,
        1,
        6,
    )
    assert [(item.sample_id, item.word) for item in exclusions] == [
        ("set/FER2013Train/fer0000000.png", "unknown"),
        ("set/FER2013Train/fer0000002.png", "contempt"),
        ("set/FER2013Valid/fer0028641.png", "unknown"),
    ]


def test_the_mode_of_params_decides_here_too(tmp_path):
    faces, _ = read(ferplus_pictures, tree(tmp_path), ferplus={"mode": "probability"})
    assert "set/FER2013Valid/fer0028641.png" in {face.sample_id for face in faces}


def test_lists_without_their_pictures_name_the_first(tmp_path):
    root = tree(tmp_path)
    (root / "FER2013Valid/fer0028642.png").unlink()
    with pytest.raises(
        DataError,
        match=r"(?s)1 of 6 listed.*FER2013Valid/label\.csv, line 2.*generate_training_data",
    ):
        read(ferplus_pictures, root)


@pytest.mark.parametrize(
    "line",
    [
        'a.png,"(0, 0, 48, 48)",1,2',
        'a.png,"(0, 0, 48, 48)",x,0,0,0,0,0,0,0,0,0',
        "a.png,1,0,0,0,0,0,0,0,0,0",
    ],
)
def test_a_line_without_ten_votes_is_named(tmp_path, line):
    put(tmp_path / "FER2013Train/a.png")
    (tmp_path / "FER2013Train/label.csv").write_text(line + "\n")
    with pytest.raises(
        DataError,
        match=r"(?s)(number of columns|A vote is not).*label\.csv, line 1.*neutral|counts",
    ):
        read(ferplus_pictures, tmp_path)
