import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, SELF_LABELLED
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.faces import UNDECODABLE, Exclusion, Face
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.webcam_session import READER
from tests.live.acting import BOX, STEP
from tests.sources.drawn import session
from tests.sources.trees import clean_options, read, zipped

SHOWN = [-1] * 5 + [3] * 30 + [4] * 25
"""Half a second without a label, three of Happy, two and a half of Sad."""


def why(exclusions: list[Exclusion]) -> dict[str, int]:
    return Counter(item.reason.removeprefix("webcam session: ") for item in exclusions)


def everything(root: Path, **options: object) -> tuple[list[Face], list[Exclusion]]:
    return read(READER, root, "webcam", webcam_session=options)


def test_labelled_frames_become_faces_ten_frames_apart_and_away_from_the_edges(tmp_path):
    session(tmp_path / "anna", SHOWN)
    faces, exclusions = everything(tmp_path)
    assert [face.sample_id for face in faces] == [
        f"webcam/anna#{index}" for index in (8, 18, 28, 38, 48)
    ]
    assert [face.label for face in faces] == [3, 3, 3, 4, 4]
    assert {(face.split, face.group) for face in faces} == {("train", "webcam/anna")}
    assert why(exclusions) == {
        "near the begin or end of its label": 12,
        "soon after another frame": 38,
    }
    assert faces[0].box == (BOX.top, BOX.left, BOX.top + BOX.height, BOX.left + BOX.width)


def test_faces_show_the_very_frames_and_are_cut_as_predict_cuts(tmp_path):
    session(tmp_path / "anna", SHOWN)
    for face in everything(tmp_path)[0]:
        pixels = decode_rgb(face.image, "")
        assert pixels.shape == (28, 28, 3)  # 30 pixels less two margins of 0.025
        assert abs(pixels.mean() - STEP * face.label) < 6


def test_gap_edge_and_number_of_a_class_follow_the_options(tmp_path):
    session(tmp_path / "anna", SHOWN)
    faces, exclusions = everything(tmp_path, min_gap=1, exclusion_s=0, max_per_class=10)
    assert Counter(face.label for face in faces) == {3: 10, 4: 10}
    assert why(exclusions) == {"more frames of its class than wanted": 35}
    happy = [int(face.sample_id.partition("#")[2]) for face in faces if face.label == 3]
    assert happy == list(range(5, 35, 3))  # spread over the session


def test_folders_of_splits_decide_and_a_session_is_one_group(tmp_path):
    for name in ("train/anna", "val/ben", "test/carl", "dora"):
        session(tmp_path / name, [3] * 30)
    faces, _ = everything(tmp_path)
    splits = {face.group.removeprefix("webcam/"): face.split for face in faces}
    assert splits == {"dora": "train", "test/carl": "test", "train/anna": "train", "val/ben": "val"}
    assert recognise(open_tree(tmp_path)) == "webcam_session"
    session(tmp_path / "test_old", [3] * 30)
    with pytest.raises(DataError, match=r"(?s)not clear.*test_old"):
        everything(tmp_path)


def test_sessions_without_video_or_labels_are_named_and_a_single_one_is_read(tmp_path):
    session(tmp_path / "anna", SHOWN)
    session(tmp_path / "mute", [-1] * 20)
    session(tmp_path / "blind", SHOWN)
    (tmp_path / "blind/video.mkv").unlink()
    faces, exclusions = everything(tmp_path)
    assert {face.group for face in faces} == {"webcam/anna"}
    assert {item.sample_id: item.reason for item in exclusions if "#" not in item.sample_id} == {
        "webcam/blind": "webcam session without a clean video (`fer live --record`)",
        "webcam/mute": "webcam session without labels",
    }
    assert [face.group for face in everything(tmp_path / "anna")[0]] == ["webcam/session"] * 5


def test_sessions_in_an_archive_give_the_same_faces(tmp_path):
    session(tmp_path / "raw/anna", SHOWN)
    files = {f"anna/{file.name}": file.read_bytes() for file in (tmp_path / "raw/anna").iterdir()}
    archive = zipped(tmp_path / "raw.zip", files)
    plain, packed = everything(tmp_path / "raw")[0], everything(archive)[0]
    assert [face.image for face in plain] == [face.image for face in packed] and len(plain) == 5


def test_the_network_s_answers_do_not_count(tmp_path):
    """A session of another model, or of none that is known, gives the same faces."""
    folder = session(tmp_path / "anna", SHOWN)
    before = everything(tmp_path)[0]
    facts = json.loads((folder / "session.json").read_text())
    facts["model"] = {"name": "another", "path": "gone.onnx", "sha256": "0" * 64}
    (folder / "session.json").write_text(json.dumps(facts))
    rows = (folder / "per_frame.csv").read_text().replace(",uncertain", ",Fear")
    (folder / "per_frame.csv").write_text(rows)
    assert everything(tmp_path)[0] == before


def answered(folder: Path, rows: dict[int, list[float]]) -> None:
    """Write the network's probabilities into frames of a session."""
    table = folder / "per_frame.csv"
    lines = table.read_text().splitlines()
    places = [lines[0].split(",").index(f"prob_{name}") for name in CLASSES]
    for number, p in rows.items():
        cells = lines[number + 1].split(",")
        for place, value in zip(places, p, strict=True):
            cells[place] = str(value)
        lines[number + 1] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")


SURE, UNSURE, VAGUE = (
    [0.0, 0.0, 0.0, 0.0, 0.95, 0.05, 0.0],
    [0.01, 0.2, 0.05, 0.6, 0.06, 0.0, 0.08],
    [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1],
)


def test_the_network_labels_frames_of_train_sessions_that_nobody_labelled(tmp_path):
    """A sure answer is the label; of an unsure one, the least probable classes are ruled out."""
    for name in ("train/anna", "test/ben"):
        folder = session(tmp_path / name, [3] * 20 + [-1] * 60)
        answered(folder, {**dict.fromkeys(range(20, 45), SURE), 53: UNSURE})
        answered(folder, dict.fromkeys([*range(45, 53), *range(54, 80)], VAGUE))
    people, _ = everything(tmp_path)
    faces, exclusions = everything(tmp_path, self_label={})
    assert [face for face in faces if face.usage != SELF_LABELLED] == people
    own = [face for face in faces if face.usage == SELF_LABELLED]
    assert [(face.sample_id, face.label, face.votes) for face in own] == [
        ("webcam/train/anna#23", 4, None),
        ("webcam/train/anna#33", 4, None),
        ("webcam/train/anna#43", 4, None),
        ("webcam/train/anna#53", 3, (0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0)),
    ]
    assert {(face.split, face.group) for face in own} == {("train", "webcam/train/anna")}
    assert why(exclusions)["nobody labelled it, and the network is not sure"] == 31
    faces, _ = everything(tmp_path, self_label={"sure": 0.6})
    assert [face.votes for face in faces if face.usage == SELF_LABELLED] == [None] * 4


def test_a_session_without_labels_is_read_where_the_network_may_label(tmp_path):
    folder = session(tmp_path / "mute", [-1] * 20)
    answered(folder, dict.fromkeys(range(20), SURE))
    assert not everything(tmp_path)[0]
    assert [face.label for face in everything(tmp_path, self_label={})[0]] == [4, 4]
    answered(folder, {9: [1.5, *SURE[1:]]})
    with pytest.raises(DataError, match=r"(?s)probability is out of range.*line 11"):
        everything(tmp_path, self_label={})
    everything(tmp_path)


def test_frames_without_a_face_and_frames_that_were_not_recorded_are_counted(tmp_path):
    folder = session(tmp_path / "anna", [3] * 40)
    table = folder / "per_frame.csv"
    head, *rows = table.read_text().splitlines()
    empty = dict.fromkeys(("x", "y", "w", "h", "track_id"), "") | {"face": "0"}
    cells = dict(zip(head.split(","), rows[10].split(","), strict=True)) | empty
    rows[10] = ",".join(cells.values())
    table.write_text("\n".join([head, *rows]) + "\n")
    facts = json.loads((folder / "session.json").read_text())
    facts["recorded"]["last_frame"] = 29
    (folder / "session.json").write_text(json.dumps(facts))
    faces, exclusions = everything(tmp_path)
    assert [int(face.sample_id.partition("#")[2]) for face in faces] == [3, 13, 23]
    assert why(exclusions)["no face in the frame"] == 1
    assert why(exclusions)["frame that was not recorded"] == 7


def test_video_that_is_shorter_than_its_rows_or_damaged_is_named(tmp_path):
    folder = session(tmp_path / "anna", SHOWN)
    session(tmp_path / "short", SHOWN[:20])
    shutil.copy(tmp_path / "short/video.mkv", folder)
    shutil.rmtree(tmp_path / "short")
    faces, exclusions = everything(tmp_path)
    lost = [item for item in exclusions if item.reason == UNDECODABLE]
    assert (len(faces), len(lost)) == (2, 3)
    assert "anna/video.mkv cannot be read, or ends before frame 28" in lost[0].detail
    (folder / "video.mkv").write_bytes(b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n")
    faces, exclusions = everything(tmp_path)
    assert not faces and why(exclusions)[UNDECODABLE] == 5


def test_a_killed_session_is_read_up_to_its_last_whole_row(tmp_path):
    folder = session(tmp_path / "anna", SHOWN)
    facts = json.loads((folder / "session.json").read_text())
    facts["ended"] = None
    del facts["recorded"]["last_frame"]
    (folder / "session.json").write_text(json.dumps(facts))
    table = folder / "per_frame.csv"
    table.write_text(table.read_text()[:-100])
    assert len(everything(tmp_path)[0]) == 5
    facts["ended"] = "end of the source"
    (folder / "session.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=r"(?s)number of columns.*per_frame\.csv, line 61"):
        everything(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",Happy,", ",Glad,", r"(?s)label 'Glad'.*line \d+"),
        ("manual_label", "label", r"(?s)Columns are missing.*line 1"),
        ("\n9,0.900000", "\n9,0.1", r"(?s)not in order.*line 11"),
        ("\n9,0.900000", "\nnine,0.9", r"(?s)not a number.*line 11"),
        ("\n9,0.900000", "\n9,nan", r"(?s)out of range.*line 11"),
        ("1,20,10,30,30", "1,20,10,0,30", r"(?s)no area.*line \d+"),
        ("1,20,10,30,30", "1,20,10,99999999999,30", r"(?s)out of range.*line \d+"),
    ],
)
def test_a_table_that_was_edited_by_hand_is_refused_with_the_line(tmp_path, old, new, told):
    table = session(tmp_path / "anna", [3] * 30) / "per_frame.csv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=told):
        everything(tmp_path)


def test_a_box_that_no_detector_gives_is_left_out(tmp_path):
    table = session(tmp_path / "anna", [3] * 30) / "per_frame.csv"
    table.write_text(table.read_text().replace("1,20,10,30,30", "1,20,10,900000,900000"))
    faces, exclusions = everything(tmp_path)
    assert not faces and why(exclusions)["box outside the frame"] == 3


def test_video_of_another_session_is_refused(tmp_path):
    folder = session(tmp_path / "anna", [3] * 30)
    facts = json.loads((folder / "session.json").read_text())
    facts["recorded"]["first_frame"] = 500
    (folder / "session.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="does not belong"):
        everything(tmp_path)
    (folder / "session.json").write_text("[")
    with pytest.raises(DataError, match=r"(?s)damaged.*session\.json"):
        everything(tmp_path)


@pytest.mark.parametrize("name", ["../other/video.mkv", "/tmp/video.mkv", "a\0b", 7])
def test_a_video_outside_the_session_s_folder_is_not_opened(tmp_path, name):
    session(tmp_path / "data/anna", SHOWN)
    session(tmp_path / "data/other", SHOWN)
    file = tmp_path / "data/anna/session.json"
    facts = json.loads(file.read_text())
    facts["recorded"]["video"] = name
    file.write_text(json.dumps(facts))
    faces, exclusions = everything(tmp_path / "data")
    assert {face.group for face in faces} == {"webcam/other"}
    assert "without a clean video" in next(e.reason for e in exclusions if "anna" in e.sample_id)


def test_no_video_is_read_to_count(tmp_path):
    folder = session(tmp_path / "anna", SHOWN)
    (folder / "video.mkv").write_bytes(b"")
    found = READER.announce(open_tree(tmp_path), clean_options())
    words = {"near the begin or end of its label": 12, "soon after another frame": 38}
    assert found == {"train": {"Happy": 3, "Sad": 2, **words}}
