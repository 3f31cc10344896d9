"""Every face is answered once, by a training that saw neither it nor its person; nothing else
differs from a training by hand.
"""

from pathlib import Path

import numpy as np
import pytest

from fer_core.base.errors import TrainingError
from fer_core.base.params import Params
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from fer_core.dataset.pack.rows import Rows
from fer_core.logits.store import read_recorded_logits
from fer_core.training.crossval import crossval
from fer_core.training.crossval.chain import chain_of
from fer_core.training.crossval.crossval import Recipe, cross_validate, deal
from stages import predict, student
from tests.arrange_logits import rows_of
from tests.stages.training import edit_params, enter, write_training_project
from tests.tiny import ARCH, write_half

ROWS = Path("data/pack/dev/rows.parquet")
INIT = Path("data/init") / ARCH


@pytest.fixture
def halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Pack, Pack]:
    enter(tmp_path, monkeypatch)
    write_training_project(tmp_path)
    write_half(tmp_path / "data/pack/test", ["test"] * 42, seed=2, source="tested")
    head = {"method": "ce", "label_smoothing": 0.0, "start": "ce", "lr": 1e-3}
    edit_params(student={"whole": head, "mirror": True})
    return Pack.open(Path("data/pack/dev")), Pack.open(Path("data/pack/test"))


def recipe(*methods: str) -> Recipe:
    return Recipe(Params.load(), methods, 3, INIT)


def test_a_chain_is_repeated_from_its_first_method_on(halves: tuple[Pack, Pack]) -> None:
    assert chain_of(Params.load().values, "whole") == ("ce", "whole")
    assert chain_of(Params.load().values, "ce") == ("ce",)


def test_no_person_is_learned_from_and_answered(
    halves: tuple[Pack, Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    dev, test = halves
    ids = [*dev.rows.sample_ids, *test.rows.sample_ids]
    cluster_of = {key: ids[7 * (i // 7)] for i, key in enumerate(ids) if i % 7}
    seen: list[Rows] = []

    def answered(pack: Pack, split: np.ndarray, how: Recipe, folder: Path) -> np.ndarray:
        rows = Rows(pack.rows.frame.assign(split=split), "0" * 64)
        seen.append(rows)
        return np.eye(7, dtype=np.float32)[rows.labels[rows.split("test")]] * (len(seen))

    monkeypatch.setattr(crossval, "_answered", answered)
    found = cross_validate(halves, cluster_of, 4, 1, recipe("ce"))
    assert found.sample_ids == sorted(ids) and len(seen) == 4
    assert (found.logits.argmax(axis=1) == found.labels).all()
    assert (found.logits.max(axis=1) == found.fold_of + 1).all()
    for fold, rows in enumerate(seen):
        held = set(rows.split("test"))
        assert held == set(np.flatnonzero(found.fold_of == fold))
        for split in ("train", "val", "calib"):
            assert len(rows.split(split))
            others = found.units[rows.split(split)]
            assert not set(others) & set(found.units[rows.split("test")])
        assert not set(found.units[rows.split("train")]) & set(found.units[rows.split("val")])


def test_shares_of_val_and_calib_are_those_of_the_run() -> None:
    rows = rows_of({"train": 70, "val": 28, "calib": 28, "test": 70})
    held = np.arange(196) < 49
    split = deal(rows, np.array(rows.sample_ids), held, 5)
    assert (split == "test").tolist() == held.tolist()
    assert [(split == name).sum() for name in ("val", "calib")] == [28, 28]
    assert (split != deal(rows, np.array(rows.sample_ids), held, 6)).any()


def test_a_part_is_answered_as_by_a_training_by_hand(halves: tuple[Pack, Pack]) -> None:
    found = cross_validate(halves, {}, 2, 1, recipe("ce", "whole"))
    rows = crossval._joined(Path("joined"), halves)
    split = deal(rows.rows, found.units, found.fold_of == 1, 1)
    for half, chosen in (("dev", split != "test"), ("test", split == "test")):
        numbers = np.flatnonzero(chosen)
        images = list(rows.images(numbers))
        frame = rows.rows.frame.assign(split=split)[chosen].reset_index(drop=True)
        sizes = np.array([len(image) for image in images])
        write_pack(
            Path("data/pack") / half,
            frame.drop(columns=["shard", "shard_row"]),
            images.__getitem__,
            sizes,
            PackOptions(shard_megabytes=1),
        )
    student.main("ce-3", "ce", 3, INIT, ROWS)
    student.main("whole-3", "whole", 3, Path("data/students/ce-3/model"), ROWS)
    predict.main("whole-3", Path("data/students/whole-3/model"))
    by_hand = read_recorded_logits(Path("data/logits/whole-3/test")).eval
    assert np.array_equal(by_hand, found.logits[found.fold_of == 1])


def test_faces_of_one_person_cannot_be_cross_validated(halves: tuple[Pack, Pack]) -> None:
    ids = [key for half in halves for key in half.rows.sample_ids]
    with pytest.raises(TrainingError, match="one person or photo"):
        cross_validate(halves, dict.fromkeys(ids[1:], ids[0]), 5, 1, recipe("ce"))
