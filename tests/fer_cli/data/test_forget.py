"""`fer data forget`: a person is gone, stays gone, and leaves no name behind."""

import pytest

from fer_cli.data.forget import models
from fer_core.base.errors import DataError
from fer_core.base.files import read_json
from fer_core.dataset.store.store import FaceStore
from tests.fer_cli.adding import faces, fer, texts
from tests.sources.trees import put
from tests.tiny import write_half


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(["happy/ann_1", "sad/ann_2", "happy/bo_1", "sad/bo_2"]):
        put(tmp_path / f"set/{name}.png", number)
    return tmp_path / "set"


def test_a_person_of_the_pattern_is_left_out_and_no_name_stays(data_project, folder):
    fer("add", "mine", folder, "--group-pattern", "([a-z]+)_[0-9]")
    text = fer("forget", "ann")
    assert "mine: 2 faces forgotten" in text and "no model here" in text
    assert "raw/mine/happy/ann_1.png" in text
    assert "dvc gc --workspace --cloud" in text
    assert faces(data_project, "mine") == 2
    meta = FaceStore.open(data_project / "data/clean/mine.arrow").meta
    assert "ann" not in (data_project / "data/sources/mine.json").read_text()
    assert "ann_" not in str(meta) and "forgotten" in str(meta["exclusions"])


def test_adding_again_under_any_name_does_not_bring_a_picture_back(data_project, folder, tmp_path):
    fer("add", "mine", folder)
    fer("forget", folder / "happy/ann_1.png")
    fer("add", "mine", folder)
    assert faces(data_project, "mine") == 3
    put(tmp_path / "again/happy/renamed.png", 0)
    put(tmp_path / "again/sad/other.png", 9)
    fer("add", "again", tmp_path / "again")
    assert faces(data_project, "again") == 1
    fer("refresh", "again")
    assert faces(data_project, "again") == 1


def test_persons_of_a_table_are_found_in_the_data_set_that_is_asked(data_project, folder):
    table = "file,subject\n" + "".join(
        f"{name}.png,{name[-5:-2].strip('/')}\n"
        for name in ("happy/ann_1", "sad/ann_2", "happy/bo_1", "sad/bo_2")
    )
    (folder / "subjects.csv").write_text(table)
    fer("add", "mine", folder)
    assert "mine: 2 faces" in fer("forget", "bo", "--from", "mine")
    assert len(read_json(data_project / "data/sources/mine.json")["forgotten"]) == 2


def test_nobody_of_that_name_changes_nothing(data_project, folder):
    fer("add", "mine", folder)
    before = texts(data_project)
    with pytest.raises(DataError, match=r"nothing was changed[\s\S]*nobody"):
        fer("forget", "happy/ann_1.png", "nobody")
    assert texts(data_project) == before


def test_models_of_a_pack_that_holds_the_faces_are_named(data_project):
    write_half(data_project / "data/pack/dev", ["train"] * 14)
    network = data_project / "data/onnx/student.fp32.onnx"
    network.parent.mkdir(parents=True)
    network.write_bytes(b"")
    assert list(models({"tiny/00003"})) == [network.relative_to(data_project)]
    assert list(models({"tiny/other"})) == []
