import hashlib
import platform
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_core.base.errors import ParamsError
from fer_core.sample.options import SampleOptions
from fer_core.sample.render import LAYOUTS, render

SMALL = SampleOptions(
    seed=11, faces=24, test_share=0.25, duplicates=1, contradictions=1, non_faces=2
)

BYTES = {
    "fer2013": "6f6f6e68d94151f4bdbf293d030d41d7c5d61b6f0074a86e873de6e30da2b3f8",
    "ferplus": "e1b478e6649dd87f92472e23f7dca3ac484d24d067458e79fd56a34d49a8294c",
    "rafdb_basic": "5e4aaf63a8cd0e28e0bda279ddb509dae607c37e9e58b6699b2c2b46cf1a6241",
    "expw": "08c2ec1d040af35ecdbfb3ce187ee558068f8f662b949dc1c213a1e32aaad67b",
}
"""Layout -> hash of what is drawn. It changes with the drawing, and with an OpenCV that writes other
JPEG files; with nothing else.
"""


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def read_csv(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


def photos_of(root: Path) -> list[list[str]]:
    return [line.split(" ") for line in (root / "label.lst").read_text().splitlines()]


def is_uniform(image: np.ndarray) -> bool:
    return bool(image.max() == image.min())


def test_rerun_in_threads_and_in_another_process_gives_the_same_bytes(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda layout: render(layout, tmp_path / "threads" / layout, SMALL), LAYOUTS))
    code = (
        "import sys; from pathlib import Path\n"
        "from fer_core.sample.options import *; from fer_core.sample.render import "
        "*\n"
        "for layout in reversed(LAYOUTS): render(layout, Path(sys.argv[1]) / layout, "
        f"SampleOptions(**{SMALL.model_dump()}))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "process")], check=True)
    assert digest(tmp_path / "threads") == digest(tmp_path / "process")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="said of x86-64 alone")
@pytest.mark.parametrize(("layout", "sha256"), BYTES.items())
def test_bytes_are_those_of_every_other_processor(layout: str, sha256: str, tmp_path: Path) -> None:
    render(layout, tmp_path / layout, SMALL)
    lines = "".join(f"{name} {one}\n" for name, one in digest(tmp_path / layout).items())
    assert hashlib.sha256(lines.encode()).hexdigest() == sha256


def test_another_seed_gives_other_pictures(tmp_path):
    for seed in (1, 2):
        render(
            "rafdb_basic",
            tmp_path / str(seed),
            SampleOptions(seed=seed, faces=20, duplicates=0, contradictions=0, non_faces=0),
        )
    one, two = (set(digest(tmp_path / seed / "Image").values()) for seed in ("1", "2"))
    assert len(one) == len(two) == 20
    assert not one & two


def test_unknown_layout_and_used_folder_are_refused(tmp_path):
    with pytest.raises(ParamsError, match="affectnet"):
        render("affectnet", tmp_path / "new", SMALL)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ParamsError, match="not empty"):
        render("fer2013", tmp_path, SMALL)


def test_fer2013_has_the_official_columns_and_pixels(trees, options):
    header, *rows = read_csv(trees["fer2013"] / "fer2013.csv")
    assert header == ["emotion", "pixels", "Usage"]
    assert (
        len(rows) == options.faces + options.duplicates + options.contradictions + options.non_faces
    )
    assert [row[2] for row in rows] == sorted(
        (row[2] for row in rows), key=("Training", "PublicTest", "PrivateTest").index
    )
    for emotion, pixels, _ in rows:
        values = [int(value) for value in pixels.split(" ")]
        assert len(values) == 48 * 48
        assert 0 <= min(values) <= max(values) <= 255
        assert emotion in set("0123456")


def test_fer2013_holds_the_twins_contradictions_and_non_faces_it_announces(trees, options):
    _, *rows = read_csv(trees["fer2013"] / "fer2013.csv")
    seen: dict[str, list[tuple[str, str]]] = {}
    for emotion, pixels, usage in rows:
        seen.setdefault(pixels, []).append((emotion, usage))
    pairs = [pair for pair in seen.values() if len(pair) == 2]
    assert max(map(len, seen.values())) == 2
    crossing = [
        pair for pair in pairs if {usage for _, usage in pair} == {"Training", "PrivateTest"}
    ]
    inside = [pair for pair in pairs if {usage for _, usage in pair} == {"Training"}]
    assert len(crossing) == options.duplicates
    assert all(first[0] == second[0] for first, second in crossing)
    assert len(inside) == options.contradictions
    assert all(first[0] != second[0] for first, second in inside)
    assert sum(len(set(pixels.split(" "))) == 1 for pixels in seen) == (options.non_faces + 1) // 2
    assert len(seen) == options.faces + options.non_faces


def test_classes_are_imbalanced_like_the_real_sets(trees):
    counts = Counter(row[0] for row in read_csv(trees["fer2013"] / "fer2013.csv")[1:])
    assert min(counts, key=counts.__getitem__) == "1"
    assert max(counts, key=counts.__getitem__) == "3"
    assert counts["3"] > 3 * counts["1"]
    assert set(counts) == set("0123456")


def test_ferplus_holds_the_pictures_of_fer2013_in_the_same_order(trees):
    assert (trees["ferplus"] / "fer2013.csv").read_bytes() == (
        trees["fer2013"] / "fer2013.csv"
    ).read_bytes()


def test_ferplus_votes_follow_the_official_file(trees, options):
    header, *rows = read_csv(trees["ferplus"] / "fer2013new.csv")
    names = [
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
        "unknown",
        "NF",
    ]
    assert header == ["Usage", "Image name", *names]
    faces = read_csv(trees["fer2013"] / "fer2013.csv")[1:]
    assert [row[0] for row in rows] == [face[2] for face in faces]
    order = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    agreed = 0
    for position, (row, face) in enumerate(zip(rows, faces, strict=True)):
        votes = dict(zip(names, map(int, row[2:]), strict=True))
        assert sum(votes.values()) == 10
        assert row[1] == ("" if votes["NF"] > 5 else f"fer{position:07d}.png")
        agreed += max(votes, key=votes.__getitem__) == order[int(face[0])]
    assert sum(row[1] == "" for row in rows) == options.non_faces
    assert 0.6 * len(rows) < agreed < 0.99 * len(rows)


def test_identical_pictures_of_a_duplicate_have_identical_votes(trees):
    faces = read_csv(trees["fer2013"] / "fer2013.csv")[1:]
    votes = read_csv(trees["ferplus"] / "fer2013new.csv")[1:]
    last = {
        face[1]: row[2:] for face, row in zip(faces, votes, strict=True) if face[2] == "PrivateTest"
    }
    twins = [
        (last[face[1]], row[2:])
        for face, row in zip(faces, votes, strict=True)
        if face[2] == "Training" and face[1] in last
    ]
    assert twins
    assert all(first == second for first, second in twins)


def test_rafdb_list_names_every_aligned_file(trees, options):
    root = trees["rafdb_basic"]
    lines = [
        line.split(" ")
        for line in (root / "EmoLabel" / "list_patition_label.txt").read_text().splitlines()
    ]
    assert {label for _, label in lines} == set("1234567")
    names = [name for name, _ in lines]
    assert [
        name
        for name in names
        if len(name)
        != (len("train_00001.jpg") if name.startswith("train_") else len("test_0001.jpg"))
    ] == []
    assert names[0] == "train_00001.jpg"
    assert names[-1] == f"test_{sum(name.startswith('test_') for name in names):04d}.jpg"
    files = sorted(path.name for path in (root / "Image" / "aligned").iterdir())
    assert files == sorted(name.replace(".jpg", "_aligned.jpg") for name in names)
    assert (
        len(lines)
        == options.faces + options.duplicates + options.contradictions + options.non_faces
    )
    images = [cv2.imread(str(root / "Image" / "aligned" / name)) for name in files]
    assert {image.shape for image in images} == {(100, 100, 3)}
    assert sum(map(is_uniform, images)) == (options.non_faces + 1) // 2
    assert np.mean([(image[:, :, 0] != image[:, :, 2]).any() for image in images]) > 0.9


def test_rafdb_holds_twins_and_contradictions(trees, options):
    root = trees["rafdb_basic"]
    labels = dict(
        line.split(" ")
        for line in (root / "EmoLabel" / "list_patition_label.txt").read_text().splitlines()
    )
    same: dict[bytes, list[str]] = {}
    for name in labels:
        same.setdefault(
            (root / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg")).read_bytes(), []
        ).append(name)
    pairs = [names for names in same.values() if len(names) > 1]
    crossing = [
        names for names in pairs if {name.split("_")[0] for name in names} == {"train", "test"}
    ]
    argued = [names for names in pairs if len({labels[name] for name in names}) > 1]
    assert (len(crossing), len(argued), len(pairs)) == (
        options.duplicates,
        options.contradictions,
        options.duplicates + options.contradictions,
    )


def test_expw_boxes_lie_inside_their_photos(trees):
    root = trees["expw"]
    rows = photos_of(root)
    assert {len(row) for row in rows} == {8}
    assert {row[0] for row in rows} == {path.name for path in (root / "image" / "origin").iterdir()}
    for name, _, top, left, right, bottom, confidence, label in rows:
        height, width = cv2.imread(str(root / "image" / "origin" / name)).shape[:2]
        assert 0 <= int(top) < int(bottom) <= height
        assert 0 <= int(left) < int(right) <= width
        assert 0.5 < (int(right) - int(left)) / (int(bottom) - int(top)) < 2
        assert 0 < float(confidence) < 100
        assert label in set("0123456")


def test_expw_has_photos_with_several_people_of_varied_size_and_confidence(trees, options):
    rows = photos_of(trees["expw"])
    assert (
        len(rows) == options.faces + options.duplicates + options.contradictions + options.non_faces
    )
    people = Counter(row[0] for row in rows)
    assert set(people.values()) == {1, 2, 3, 4}
    assert all(
        [int(row[1]) for row in rows if row[0] == name] == list(range(count))
        for name, count in people.items()
    )
    sides = [int(row[5]) - int(row[2]) for row in rows]
    assert min(sides) < 60 < 100 < max(sides)
    assert np.std([float(row[6]) for row in rows]) > 10


def test_expw_copies_are_photo_files_of_their_own(trees, options):
    root = trees["expw"]
    labels = {row[0]: row[7] for row in photos_of(root)}
    same: dict[bytes, list[str]] = {}
    for path in sorted((root / "image" / "origin").iterdir()):
        same.setdefault(path.read_bytes(), []).append(path.name)
    pairs = [names for names in same.values() if len(names) == 2]
    assert len(pairs) == options.duplicates + options.contradictions
    assert sum(labels[first] != labels[second] for first, second in pairs) == options.contradictions
