"""Stage A and stage B of a teacher, and what follows from logits of two image sizes, on coloured
noise.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fer_core.base.errors import ArtifactError, DataError, ModelError, TrainingError
from fer_core.base.files import sha256_file
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.folds import train_folds
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.ensemble.ensemble import check_teachers
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.logits.store import read_logits
from fer_core.models.networks.card import ModelCard, read_card
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.opened import open_targets, open_teacher_targets
from fer_core.targets.softlabels import write_softlabels
from fer_core.training.teachers.teacher import start_stage_b
from stages import logits, student, teacher
from tests.arrange_logits import metrics_of
from tests.artifacts import reseal
from tests.stages.training import LARGE, TRAIN, VAL, edit_params, enter, write_training_project
from tests.tiny import ARCH, SIDE, dev_splits, write_half

ALL = ("train", "val", "calib")
A, B = Path("data/teachers/vit/a"), Path("data/teachers/vit/b")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose teacher `vit` has gone through both stages; every third train row is of high
    native resolution.
    """
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        enter(root, patch)
        write_training_project(root)
        teacher.main("a", "vit", Path("data/init/test_vit"))
        teacher.main("b", "vit", A / "model")
    return root


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(project, monkeypatch)


def record(folder: Path, name: str) -> Any:
    return json.loads((folder / "record" / name).read_text())


def test_stage_b_learns_from_the_named_set_at_its_own_size_from_stage_as_weights() -> None:
    a, b = read_card(A / "model"), read_card(B / "model")
    assert b.init_sha256 == a.weights_sha256
    assert b.preprocessing == replace(a.preprocessing, size=LARGE)
    assert (a.budget["train_rows"], a.budget["train_set"]) == (TRAIN, None)
    assert b.budget["train_rows"] == TRAIN // 3
    assert b.budget["train_set"] == {"name": "large", "split": ["train", "val"], "min_side": 64}
    assert record(B, "summary.json")["optimiser_steps"] == 3 * 2


def test_both_stages_are_measured_on_the_same_val_rows() -> None:
    found = record(B, "compare.json")
    assert (found["split"], found["rows"], found["rows_sha256"]) == (
        "val",
        VAL,
        read_rows(Path("data/pack/dev")).sha256,
    )
    assert (found["a"]["size"], found["b"]["size"]) == (SIDE, LARGE)
    for stage, folder in (("a", A), ("b", B)):
        assert found[stage]["model_sha256"] == read_card(folder / "model").weights_sha256
        for name, value in record(folder, "summary.json")["val"].items():
            assert found[stage][name] == pytest.approx(value, abs=1e-4), (
                "not what the stage itself was selected by"
            )
    gained = found["right_only_in"]["b"] - found["right_only_in"]["a"]
    assert found["difference"]["accuracy"] == pytest.approx(gained / VAL)


def test_the_record_holds_history_speed_and_surroundings() -> None:
    lines = (A / "record" / "history.csv").read_text().splitlines()
    columns = lines[0].split(",")
    assert {
        "train_loss",
        "margin",
        "lr",
        "val_macro_f1",
        "val_nll",
        "distinct_share",
        "seen_share",
    } <= set(columns)
    margins = [float(line.split(",")[columns.index("margin")]) for line in lines[1:]]
    assert margins == [0.0, 0.0, 0.1], "warm-up 1 epoch, then in a line to 0.2 at epoch 3"
    timing = (A / "log/timing.csv").read_text().splitlines()
    assert timing[0] == "epoch,seconds,images_per_second"
    assert len(timing) == len(lines)
    surroundings = json.loads((A / "log/environment.json").read_text())
    assert surroundings["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert surroundings["device"] == "cpu"
    assert not [text for text in json.dumps(surroundings).split('"') if text.startswith("/")], (
        "a folder of this machine"
    )


def test_at_its_own_size_a_stage_b_starts_as_stage_a() -> None:
    start = start_stage_b(A / "model", SIDE, 16.0)
    network, card = start.network, read_card(A / "model")
    saved, _ = load_model(A / "model")
    images = torch.randn(3, 3, SIDE, SIDE)
    with torch.inference_mode():
        assert torch.equal(network.eval()(images), saved(images))
        assert torch.equal(network.plain(network.embed(images)), saved.plain(saved.embed(images)))  # type: ignore[operator]
    assert (start.arch, start.preprocessing, start.sha256) == (
        card.arch,
        card.preprocessing,
        card.weights_sha256,
    )


def test_logits_of_both_sizes_can_be_fused_and_taught_from() -> None:
    """The student sees the same part of each picture at its own size; another crop is another
    picture.
    """
    for tag, folder in (("vit_a", A), ("vit_b", B)):
        shutil.copytree(folder / "model", Path(tag))
        reseal(Path(tag), key=tag)
        logits.main("dev", tag, Path(tag))
    pack, views = Pack.open(Path("data/pack/dev")), Params.load().section("views", ViewOptions)
    dev = {
        tag: read_logits(Path("data/logits") / tag / "dev", pack.rows) for tag in ("vit_a", "vit_b")
    }
    first = check_teachers(dev)
    assert not np.array_equal(dev["vit_a"].eval, dev["vit_b"].eval)
    with pytest.raises(ArtifactError, match="preprocessing_hash"):
        check_teachers(
            dev
            | {
                "other": replace(
                    first,
                    preprocessing_hash=replace(
                        read_card(A / "model").preprocessing, crop=0.9
                    ).hash_at_any_size(),
                )
            }
        )

    train = first.rows_of("train")
    assert first.views is not None and first.views_hash is not None
    fused = np.concatenate([first.eval[train][:, None], first.views], axis=1)
    write_softlabels(
        Path("data/softlabels"),
        pack.rows,
        fused,
        dict.fromkeys(dev, fused),
        made_from={"preprocessing": first.preprocessing_hash, "views": first.views_hash},
        ensemble={},
        metrics=metrics_of(fused, pack.rows.labels[train]),
    )
    preprocessing = Params.load().section("preprocessing", Preprocessing)
    for size in (SIDE, LARGE, 24):
        targets, _ = open_targets(
            Path("data/softlabels"),
            pack.rows,
            replace(preprocessing, size=size),
            views,
            torch.device("cpu"),
        )
        assert torch.isfinite(targets[torch.from_numpy(pack.rows.split("train"))]).all()
    with pytest.raises(ArtifactError, match="other preprocessing"):
        open_targets(
            Path("data/softlabels"),
            pack.rows,
            replace(preprocessing, clahe=True),
            views,
            torch.device("cpu"),
        )
    of_teachers, _ = open_teacher_targets(
        Path("data/softlabels"), pack.rows, preprocessing, views, torch.device("cpu")
    )
    assert of_teachers.shape[2:] == (2, 7)

    before = Path("params.yaml").read_text()
    try:
        own = {"temperature": 2.0, "alpha": 0.7, "weighting": "confidence", "gate": "teacher_right"}
        edit_params(student={"mtkd": own | {"negl": {"weight": 0.1, "negatives": "teacher"}}})
        student.main("mtkd-1", "mtkd", 1, Path("data/init") / ARCH, Path("data/softlabels"))
        edit_params(
            student={
                "ce": {
                    "label_smoothing": 0.0,
                    "negl": {
                        "weight": 0.1,
                        "ratio": 1.0,
                        "min_entropy": 0.0,
                        "negatives": "confusion",
                    },
                }
            }
        )
        student.main("ce-1", "ce", 1, Path("data/init") / ARCH, Path("data/softlabels"))
    finally:
        Path("params.yaml").write_text(before)
    assert read_card(Path("data/students/ce-1/model")).targets_sha256 == sha256_file(
        Path("data/softlabels/softlabels.npz")
    )
    assert read_card(Path("data/students/mtkd-1/model")).targets_sha256 == sha256_file(
        Path("data/softlabels/teachers.npz")
    )


def no_image(*arguments: object) -> None:
    raise AssertionError("images are decoded")


def test_mixup_is_refused_where_targets_are_stored_before_an_image_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of the test before this one."""
    monkeypatch.setattr("fer_core.training.loop.run.ImageBank", no_image)
    before = Path("params.yaml").read_text()
    try:
        edit_params(
            student={"train": Params.load().section("student.train", dict) | {"mixup": 0.2}}
        )
        with pytest.raises(Exception, match=r"stored targets[\s\S]*mixup"):
            student.main("kd-9", "kd", 9, Path("data/init") / ARCH, Path("data/softlabels"))
    finally:
        Path("params.yaml").write_text(before)
    assert not Path("data/students/kd-9/model").exists()


def test_views_of_other_sizes_show_the_same_part_of_the_picture() -> None:
    pack, views = Pack.open(Path("data/pack/dev")), Params.load().section("views", ViewOptions)
    preprocessing = Params.load().section("preprocessing", Preprocessing)
    one, other = (
        ImageBank(
            pack, range(8), replace(preprocessing, size=size), views, 1, torch.device("cpu")
        ).view(np.arange(8), 2)
        for size in (32, 64)
    )
    shrunk = torch.nn.functional.interpolate(other, size=32, mode="area")
    assert torch.nn.functional.cosine_similarity(one.flatten(1), shrunk.flatten(1)).min() > 0.9


def test_stage_b_refuses_a_model_that_is_no_teacher(tmp_path: Path) -> None:
    from fer_core.models.networks.saved import build_network, save_model

    card: ModelCard = replace(
        read_card(A / "model"),
        kind="student",
        head="linear",
        arch=ARCH,
        embed_dim=None,
        dropout=None,
        scale=None,
        weights_sha256="",
    )
    save_model(tmp_path / "model", build_network(card), card)
    with pytest.raises(ModelError, match="teacher of stage A"):
        start_stage_b(tmp_path / "model", LARGE, 16.0)


def test_votes_that_nobody_cast_are_an_error_that_names_who_brings_some() -> None:
    before = Path("params.yaml").read_text()
    try:
        edit_params(teacher={"votes": 0.5})
        with pytest.raises(DataError, match="ferplus"):
            teacher.main("a", "vit", Path("data/init/test_vit"))
    finally:
        Path("params.yaml").write_text(before)


def test_both_stages_learn_without_an_angular_head_and_from_votes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another project: the control arm that shows what ArcFace brings, with half of its targets
    votes.
    """
    enter(tmp_path, monkeypatch)
    write_training_project(tmp_path)
    count = TRAIN + VAL + 28
    votes = np.random.default_rng(0).multinomial(10, [1 / 7] * 7, count)
    write_half(Path("data/pack/dev"), dev_splits(TRAIN, VAL, 28), 1, "tiny", [96] * count, votes)
    own = {"votes": 0.5, "head": {"angular": False}, "preprocessing": {"size": LARGE}}
    entry = {"arch": "test_vit", "stage": "b", "a": own, "b": {"votes": 0.5}}
    edit_params(teachers={"vit": entry})
    teacher.main("a", "vit", Path("data/init/test_vit"))
    teacher.main("b", "vit", A / "model")
    for folder in (A, B):
        card = read_card(folder / "model")
        assert (card.head, card.scale, card.params["votes"]) == ("plain", None, 0.5)
        assert "arcface" not in card.params
        assert card.preprocessing.size == LARGE, "weights were made for another size"
        assert "margin" not in (folder / "record" / "history.csv").read_text().splitlines()[0]
    logits.main("dev", "vit", B / "model")
    assert np.isfinite(
        read_logits(Path("data/logits/vit/dev"), read_rows(Path("data/pack/dev"))).eval
    ).all()


def test_batch_normalisation_that_cannot_be_spread_is_refused_before_an_image_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fer_core.training.loop.run.ImageBank", no_image)
    monkeypatch.setattr("fer_core.training.loop.passes.distributed.size", lambda: 2)
    with pytest.raises(TrainingError, match="batch_norm_group: 0"):
        teacher.main("a", "vit", Path("data/init/test_vit"))


@pytest.fixture(scope="module")
def folded(project: Path) -> Path:
    """The teacher's two folds, through both stages, and its logits of the dev rows from them."""
    with pytest.MonkeyPatch.context() as patch:
        enter(project, patch)
        before = Path("params.yaml").read_text()
        edit_params(teacher={"folds": 2})
        for fold in (0, 1):
            teacher.main("a", "vit", Path("data/init/test_vit"), fold)
            begin = Path(f"data/teachers/vit/folds/a/{fold}/model")
            teacher.main("b", "vit", begin, fold)
        logits.main("dev", "vit", B / "model")
        Path("data/logits/vit/dev").rename("data/folded")
        Path("params.yaml").write_text(before)
    return project / "data/folded"


def test_a_fold_s_teacher_learns_from_the_other_rows_only(folded: Path) -> None:
    fold_of = train_folds(read_rows(Path("data/pack/dev")).frame, 2)
    for fold in (0, 1):
        a, b = (read_card(Path(f"data/teachers/vit/folds/{stage}/{fold}/model")) for stage in "ab")
        assert a.budget["train_rows"] == (fold_of == 1 - fold).sum()
        assert a.budget["train_set"] == {"fold": fold, "folds": 2, "of": None}
        assert b.budget["train_set"] == {
            "fold": fold,
            "folds": 2,
            "of": {"name": "large", "split": ["train", "val"], "min_side": 64},
        }
        assert b.init_sha256 == a.weights_sha256 != read_card(A / "model").weights_sha256
        assert a.init_sha256 == read_card(A / "model").init_sha256, (
            "folds start from the same weights"
        )
        assert b.preprocessing.size == LARGE


def test_train_rows_have_the_logits_of_the_teacher_that_did_not_see_them(folded: Path) -> None:
    pack = Pack.open(Path("data/pack/dev"))
    found = read_logits(folded, pack.rows)
    fold_of = train_folds(pack.rows.frame, 2)
    views = Params.load().section("views", ViewOptions)
    settings = load_settings()
    for fold, folder in [
        (-1, B / "model"),
        (0, Path("data/teachers/vit/folds/b/0/model")),
        (1, Path("data/teachers/vit/folds/b/1/model")),
    ]:
        name = "vit" if fold < 0 else f"vit-b-{fold}"
        alone = forward_rows(folder, name, pack, Wanted(ALL, "fp32", "float16", views), settings)
        rows = np.flatnonzero(fold_of == fold)
        np.testing.assert_allclose(found.eval[rows], alone.eval[rows], atol=2e-2)
        other = np.flatnonzero(fold_of != fold)
        assert np.abs(found.eval[other].astype(float) - alone.eval[other]).max() > 0.1
        if fold >= 0:
            in_train = np.searchsorted(pack.rows.split("train"), rows)
            np.testing.assert_allclose(found.views[in_train], alone.views[in_train], atol=2e-2)
    assert found.fold_sha256 == tuple(
        read_card(Path(f"data/teachers/vit/folds/b/{fold}/model")).weights_sha256 for fold in (0, 1)
    )
    assert found.model_sha256 == read_card(B / "model").weights_sha256


def test_teachers_answer_for_mirror_images_too_where_that_is_asked_for(folded: Path) -> None:
    before = Path("params.yaml").read_text()
    edit_params(teacher={"mirror": True})
    try:
        logits.main("dev", "vit", B / "model")
    finally:
        Path("params.yaml").write_text(before)
    Path("data/logits/vit/dev").rename("data/mirrored")
    params, pack = Params.load(), Pack.open(Path("data/pack/dev"))
    precision = params.section("teacher.train.precision", str)
    views = params.section("views", ViewOptions)
    both = Wanted(ALL, precision, "float16", views, mirror=True)
    found = read_logits(Path("data/mirrored"), pack.rows)
    expected = forward_rows(B / "model", "vit", pack, both, load_settings())
    single = forward_rows(B / "model", "vit", pack, replace(both, mirror=False), load_settings())
    for half in ("eval", "views"):
        np.testing.assert_array_equal(getattr(found, half), getattr(expected, half))
        assert (getattr(found, half) != getattr(single, half)).any(axis=-1).mean() > 0.9


def test_a_teacher_that_learnt_from_the_rows_of_a_fold_is_refused(folded: Path) -> None:
    pack = Pack.open(Path("data/pack/dev"))
    zero, one = (Path(f"data/teachers/vit/folds/b/{fold}/model") for fold in (0, 1))
    for models in (
        [one, zero],
        [zero, zero],
        [zero, B / "model"],
        [zero, Path("data/teachers/vit/folds/a/1/model")],
    ):
        with pytest.raises(ArtifactError, match="not the teacher that left these rows out"):
            forward_rows(
                B / "model",
                "vit",
                pack,
                Wanted(ALL, "fp32", "float16"),
                load_settings(),
                models,
            )
