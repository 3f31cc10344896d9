"""Adaptation: which rows, what moves, how far, and that an interrupted run is the same run."""

import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from fer_core.base.errors import DataError, ModelError
from fer_core.base.labels import SELF_LABELLED
from fer_core.base.params import Params
from fer_core.models.devices import distributed
from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.card import read_card
from fer_core.models.networks.saved import load_model, save_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.sources.catalogue.faces import Face
from fer_core.training.adaptation.adaptation import AdaptationTask, SessionRows, ruled_out
from fer_core.training.adaptation.options import AdaptOptions
from fer_core.training.loop.passes import Batch
from stages import adapt
from tests.models.networks.test_saved import CARDS
from tests.stages.training import edit_params, enter
from tests.tiny import (
    ARCH,
    SIDE,
    TRAINING,
    dev_splits,
    write_half,
    write_tiny_project,
)

OUT, BASE = Path("data/students/adapted"), Path("data/students/kd-1/model")
TRAIN = TRAINING.model_dump(exclude_defaults=True) | {"epochs": 4, "lr": 0.01}
ADAPT = {"sources": ["webcam"], "mode": "head", "replay": 1.0, "proximity": 0.1, "train": TRAIN}


def frame() -> pd.DataFrame:
    """Of 20 rows of a session and 60 others, half are train rows and half val rows."""
    sources = ["tiny"] * 60 + ["webcam"] * 20
    return pd.DataFrame({"source": sources, "split": ["train", "val"] * 40})


def test_other_rows_are_replayed_in_the_share_asked_for_and_the_same_each_time() -> None:
    rows = SessionRows(("webcam",), 1.5, 1)
    found = rows.rows(frame())
    assert (found >= 60).sum() == 10 and (found < 60).sum() == 15
    assert (np.diff(found) > 0).all() and (found % 2 == 0).all()
    np.testing.assert_array_equal(found, rows.rows(frame()))
    assert set(found) != set(replace(rows, seed=2).rows(frame()))
    assert (rows.rows(frame(), "val") % 2 == 1).all() and len(rows.rows(frame(), "val")) == 25
    assert len(SessionRows(("webcam",), 99, 1).rows(frame())) == 40


def test_without_sessions_there_is_nothing_to_learn_from_and_all_val_rows_select() -> None:
    rows = SessionRows(("camera",), 1.0, 1)
    with pytest.raises(DataError, match=r"(?s)no train row of a session.*camera"):
        rows.rows(frame())
    assert len(rows.rows(frame(), "val")) == 40


def test_the_distance_pulls_alike_in_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process works out the loss of all rows, and the gradients are added up."""
    pulls = []
    for size in (1, 2):
        monkeypatch.setattr(distributed, "size", lambda size=size: size)
        network = torch.nn.Linear(4, 7)
        task = AdaptationTask(network, 1.0, 1, torch.device("cpu"), None)
        with torch.no_grad():
            for weight in network.parameters():
                weight += 0.5
        outputs = torch.zeros(2, 7)
        loss, _ = task.loss(outputs, Batch(np.arange(2), torch.tensor([0, 1]), 0, 0))
        loss.backward()
        pulls.append((float(loss), size * float(network.weight.grad.sum())))
    assert pulls[0] == pytest.approx(pulls[1]) and pulls[0][1] > 1


def test_distance_pulls_back_to_the_weights_at_the_start() -> None:
    network = build_classifier(ARCH, SIDE)
    task = AdaptationTask(network, 2.0, 1, torch.device("cpu"))
    outputs, labels = torch.zeros(3, 7), torch.tensor([0, 1, 2])
    batch = Batch(np.arange(3), labels, 0, 0)
    near, _ = task.loss(outputs, batch)
    with torch.no_grad():
        network.get_submodule("fc").bias += 0.5
        next(network.parameters()).requires_grad_(False).add_(9)  # what does not learn is not asked
    far, _ = task.loss(outputs, batch)
    assert (far - near).item() == pytest.approx(2.0 * 7 * 0.5**2 / 2)
    far.backward()
    grad = network.get_parameter("fc.bias").grad
    assert grad is not None and grad.tolist() == pytest.approx([2.0 * 0.5] * 7)


def test_classes_that_are_ruled_out_become_less_probable_and_the_label_does_not_count() -> None:
    rows = pd.DataFrame(
        {
            "usage": ["", SELF_LABELLED, SELF_LABELLED],
            "votes": [[0.0] * 7, None, [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]],
        }
    )
    assert ruled_out(rows[:2]) is None
    excluded = ruled_out(rows)
    assert excluded is not None and excluded.sum(axis=1).tolist() == [0, 0, 2]
    task = AdaptationTask(build_classifier(ARCH, SIDE), 0.0, 1, torch.device("cpu"), excluded)
    outputs = torch.zeros(3, 7, requires_grad=True)
    labels = torch.tensor([0, 1, 3])
    loss, _ = task.loss(outputs, Batch(np.arange(3), labels, 0, 0))
    assert loss.item() == pytest.approx((2 * np.log(7) - np.log(5 / 7)) / 3)
    loss.backward()
    assert outputs.grad is not None
    after = (outputs.detach() - outputs.grad).softmax(dim=1)
    assert after[0, 0] > 1 / 7 and after[1, 1] > 1 / 7
    assert (after[2, 1:3] < 1 / 7).all() and after[2, 3] == pytest.approx(after[2, 0].item())


def test_mode_decides_what_is_trainable() -> None:
    AdaptOptions.model_validate(ADAPT)
    assert AdaptOptions.model_validate(ADAPT | {"mode": "norms"}).training.trainable == "affine"
    for wrong in ({"trainable": "last"}, {"mixup": 0.2}):
        with pytest.raises(ValidationError, match="mode"):
            AdaptOptions.model_validate(ADAPT | {"train": TRAIN | wrong})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(tmp_path, monkeypatch)
    write_tiny_project(tmp_path)
    write_half(
        tmp_path / "data/pack/dev",
        dev_splits(56, 14, 14),
        faces=[face(number) for number in range(35)],
    )
    edit_params(adapt=ADAPT)
    params = Params.load()
    torch.manual_seed(1)
    preprocessing = params.section("preprocessing", Preprocessing)
    card = replace(CARDS["linear"], preprocessing=preprocessing)
    save_model(BASE, build_classifier(ARCH, SIDE).eval(), card)
    return tmp_path


def face(number: int) -> Face:
    image = np.random.default_rng(number).integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
    data = cv2.imencode(".png", image)[1].tobytes()
    name, split = f"webcam/s{number % 2}#{number:03d}", "val" if number < 7 else "train"
    return Face(name, data, number % 7, split, split, f"webcam/s{number % 2}")


def changed() -> dict[str, float]:
    """Names of what moved, and how far."""
    before, after = (load_model(folder)[0].state_dict() for folder in (BASE, OUT / "model"))
    return {
        name: float((after[name].double() - before[name].double()).square().sum())
        for name in before
        if not torch.equal(before[name], after[name])
    }


def test_head_and_norms_move_alone_and_statistics_stay(project: Path) -> None:
    adapt.main(BASE)
    assert set(changed()) == {"fc.weight", "fc.bias"}
    card = read_card(OUT / "model")
    assert card.init_sha256 == read_card(BASE).weights_sha256
    assert card.preprocessing.hash() == read_card(BASE).preprocessing.hash()
    assert card.params["adapt"]["proximity"] == 0.1
    assert card.budget["train_set"] == {"sessions": ["webcam"], "replay": 1.0, "seed": 1337}
    assert card.budget["train_rows"] == 56
    assert (OUT / "record/history.csv").read_text().count("adapt") == 4
    edit_params(adapt={"mode": "norms"})
    adapt.main(BASE)
    moved = changed()
    assert moved and not [name for name in moved if name.startswith("fc.") or "running" in name]


def test_a_greater_weight_keeps_the_student_nearer(project: Path) -> None:
    far = []
    for proximity in (0.0, 100.0):
        edit_params(
            adapt={"proximity": proximity, "train": TRAIN | {"epochs": 1, "lr_warmup_epochs": 0}}
        )
        adapt.main(BASE)
        far.append(sum(changed().values()))
    assert far[1] < far[0] / 2


def test_a_student_of_other_pictures_is_refused(project: Path) -> None:
    edit_params(preprocessing={"clahe": True})
    with pytest.raises(ModelError, match="go on from"):
        adapt.main(BASE)


def test_an_interrupted_run_ends_with_the_same_bits(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt.main(BASE)
    whole = (OUT / "model/model.safetensors").read_bytes(), (OUT / "record/history.csv").read_text()
    predict = AdaptationTask.predict

    def interrupt(task: AdaptationTask, images: torch.Tensor, epoch: int) -> torch.Tensor:
        if epoch == 1:
            signal.raise_signal(signal.SIGTERM)
        return predict(task, images, epoch)

    monkeypatch.setattr(AdaptationTask, "predict", interrupt)
    with pytest.raises(SystemExit) as ended:
        adapt.main(BASE)
    assert ended.value.code == 128 + signal.SIGTERM
    monkeypatch.setattr(AdaptationTask, "predict", predict)
    adapt.main(BASE)
    again = (OUT / "model/model.safetensors").read_bytes(), (OUT / "record/history.csv").read_text()
    assert again == whole
