import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.store.store import FaceStore
from fer_core.sources.layouts.folder7 import READER as folder7
from tests.dataset.assembly.built import build_manifest
from tests.sources.drawn import cleaned
from tests.sources.trees import put, read


def tree(root, lines=("file,subject", "happy/a.png,anna", "sad/b.png,anna", "sad/c.png,ben")):
    for seed, name in enumerate(("happy/a.png", "sad/b.png", "sad/c.png")):
        put(root / name, seed)
    (root / "subjects.csv").write_text("\n".join(lines) + "\n")
    return root


def test_a_persons_pictures_are_one_group_and_the_table_is_no_entry(tmp_path):
    faces, exclusions = read(folder7, tree(tmp_path), "mine")
    assert exclusions == []
    groups = {face.sample_id: face.group for face in faces}
    assert groups["mine/happy/a.png"] == groups["mine/sad/b.png"] != groups["mine/sad/c.png"]


def test_a_spreadsheet_may_write_semicolons(tmp_path):
    lines = ("file;subject", "happy/a.png;anna", "sad/b.png;anna", "sad/c.png;ben, the elder")
    groups = {face.sample_id: face.group for face in read(folder7, tree(tmp_path, lines), "m")[0]}
    assert groups["m/happy/a.png"] == groups["m/sad/b.png"] != groups["m/sad/c.png"]


def test_each_folder_of_a_collection_has_its_own_table(tmp_path):
    tree(tmp_path / "one")
    tree(tmp_path / "two")
    put(tmp_path / "three/fear/d.png")
    faces, _ = read(folder7, tmp_path, "custom")
    groups = {face.sample_id.removeprefix("custom/"): face.group for face in faces}
    assert groups["one/happy/a.png"] == groups["one/sad/b.png"] != groups["two/sad/b.png"]
    assert groups["three/fear/d.png"] == "custom/three/fear/d.png"


def test_no_person_stands_on_both_sides_of_a_split(tmp_path):
    names = [
        (f"{name.lower()}/{person}_{copy}.png", person)
        for name in CLASSES
        for person in range(12)
        for copy in range(2)
    ]
    for seed, (name, _) in enumerate(names):
        put(tmp_path / "raw/set" / name, seed)
    (tmp_path / "raw/set/subjects.csv").write_text(
        "file,subject\n" + "".join(f"{name},{person}\n" for name, person in names)
    )
    cleaned(tmp_path, "folder7")
    options = {
        "sources": ["set"],
        "val_fraction": 0.25,
        "calib_fraction": 0.25,
        "test_fraction": {"set": 0.25},
        "non_faces": "keep",
    }
    options |= {"twins": {"across_splits": "drop", "contradictory": "drop", "repeated": "keep"}}
    options |= {"near_duplicate_bits": 0, "near_duplicate_correlation": 0.95}
    manifest = build_manifest(
        {"set": FaceStore.open(tmp_path / "set.arrow")}, ManifestOptions.model_validate(options), 1
    )
    person = manifest["sample_id"].str.extract(r"/(\d+)_")[0]
    assert set(manifest["split"]) == {"train", "val", "calib", "test"}
    assert (manifest.groupby(person)["split"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (("file,subject", "happy/a.png,anna", "sad/b.png,anna"), r"not in subjects\.csv.*c\.png"),
        (
            (
                "file,subject",
                "happy/a.png,anna",
                "sad/b.png,anna",
                "sad/c.png,ben",
                "sad/d.png,ben",
            ),
            r"missing.*line 5",
        ),
        (("file,subject", "happy/a.png,anna", "happy/a.png,ben"), "twice, first in line 2.*line 3"),
        (("file,subject", "happy/a.png,"), "does not name a file and a person.*line 2"),
        (("file,subject", "../a.png,anna"), "outside its data set.*line 2"),
        (("picture,person", "happy/a.png,anna"), "another header.*line 1"),
        (("file,subject", '"happy/a.png,anna'), "line 2"),
    ],
)
def test_a_faulty_table_is_refused(tmp_path, lines, problem):
    with pytest.raises(DataError, match=f"(?s){problem}"):
        read(folder7, tree(tmp_path, lines))
