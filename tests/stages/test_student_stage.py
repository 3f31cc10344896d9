"""What a student may be told: the rows it learns from, terms and a size of its own, and whose
weights it goes on from.
"""

import shutil
from pathlib import Path

import pytest
import torch

from fer_core.base.errors import ModelError, ParamsError
from fer_core.base.params import Params
from fer_core.evaluation.comparison.fairness import budget_differences
from fer_core.models.networks.card import read_card
from fer_core.models.networks.saved import load_model
from stages import student, teacher
from tests.stages.training import LARGE, TRAIN, edit_params, enter, write_training_project
from tests.tiny import ARCH


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        enter(root, patch)
        write_training_project(root)
    return root


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(project, monkeypatch)


def test_students_and_stage_a_learn_from_a_named_set_as_well() -> None:
    before = Path("params.yaml").read_text()
    try:
        edit_params(student={"set": "large"}, teacher={"set": "large"})
        student.main("ce-1", "ce", 1, Path("data/init") / ARCH, Path("data/pack/dev/rows.parquet"))
        teacher.main("a", "tiny", Path("data/init") / ARCH)
        edit_params(student={"set": "lagre"})
        with pytest.raises(ParamsError, match=r"lagre[\s\S]*large"):
            student.main(
                "ce-2", "ce", 2, Path("data/init") / ARCH, Path("data/pack/dev/rows.parquet")
            )
    finally:
        Path("params.yaml").write_text(before)
    for folder in ("data/students/ce-1", "data/teachers/tiny/a"):
        assert read_card(Path(folder) / "model").budget["train_rows"] == TRAIN // 3


def test_a_method_may_have_another_name_further_terms_and_a_size_of_its_own() -> None:
    before = Path("params.yaml").read_text()
    negl, proto = {"weight": 0.1, "ratio": 1.0, "min_entropy": 0.0}, {"weight": 0.1, "share": 0.5}
    own = {
        "method": "ce",
        "label_smoothing": 0.1,
        "lr": 0.003,
        "negl": negl,
        "proto": proto,
        "lp": {"weight": 0.01},
    }
    try:
        edit_params(student={"ce_more": own, "preprocessing": {"size": LARGE}})
        student.main(
            "ce_more-1", "ce_more", 1, Path("data/init") / ARCH, Path("data/pack/dev/rows.parquet")
        )
    finally:
        Path("params.yaml").write_text(before)
    card = read_card(Path("data/students/ce_more-1/model"))
    assert card.preprocessing.size == LARGE
    assert card.params["method"] == "ce_more"
    assert card.params["ce_more"]["negl"]["weight"] == 0.1
    assert card.budget["tuned"] == {"lr": 0.003}
    lines = Path("data/students/ce_more-1/record/history.csv").read_text().splitlines()
    last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    assert float(last["negl_applied"]) == 1
    assert float(last["proto_applied"]) == pytest.approx(0.5, abs=0.1)
    assert 0 < float(last["lp_included"]) <= 1
    assert last["phase"] == "ce"


def test_a_saved_student_is_fine_tuned_head_first_and_then_as_a_whole() -> None:
    before = Path("params.yaml").read_text()
    rows, ready = Path("data/pack/dev/rows.parquet"), Path("models/ready")
    try:
        student.main("ce-7", "ce", 7, Path("data/init") / ARCH, rows)
        shutil.copytree("data/students/ce-7/model", ready)
        head = {"method": "ce", "label_smoothing": 0.0, "trainable": "head"}
        whole = {"method": "ce", "label_smoothing": 0.0, "start": "head", "lr": 1e-4}
        edit_params(student={"init": str(ready), "head": head, "whole": whole})
        student.main("head-7", "head", 7, ready, rows)
        student.main("whole-7", "whole", 7, Path("data/students/head-7/model"), rows)
        edit_params(student={"preprocessing": {"size": LARGE}})
        with pytest.raises(ModelError, match="go on from"):
            student.main("head-8", "head", 8, ready, rows)
    finally:
        Path("params.yaml").write_text(before)
    folders = (ready, Path("data/students/head-7/model"), Path("data/students/whole-7/model"))
    cards = [read_card(folder) for folder in folders]
    assert cards[1].init_sha256 == cards[0].weights_sha256
    assert cards[2].init_sha256 == cards[1].weights_sha256
    first, tuned, last = (load_model(folder)[0].state_dict() for folder in folders)
    changed = {name for name in first if not torch.equal(first[name], tuned[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert not torch.equal(tuned["conv1.0.weight"], last["conv1.0.weight"])


def test_a_chain_goes_on_from_the_selected_weights_for_epochs_of_its_own() -> None:
    before = Path("params.yaml").read_text()
    first = Path("data/students/ce-5/model")
    try:
        student.main("ce-5", "ce", 5, Path("data/init") / ARCH, Path("data/pack/dev/rows.parquet"))
        still = {
            "method": "ce",
            "label_smoothing": 0.0,
            "start": "ce",
            "extra_epochs": 1,
            "lr": 1e-12,
        }
        calm = Params.load().section("student.train", dict) | {"lr_warmup_epochs": 0, "min_lr": 0.0}
        edit_params(student={"more": still, "train": calm})
        student.main("more-5", "more", 5, first, Path("data/pack/dev/rows.parquet"))
        edit_params(student={"more": still | {"extra_epochs": 0}})
        with pytest.raises(ParamsError, match="extra_epochs"):
            student.main("none-5", "more", 5, first, Path("data/pack/dev/rows.parquet"))
        edit_params(student={"more": still, "arch": "test_vit"})
        with pytest.raises(ModelError, match="go on from"):
            student.main("none-5", "more", 5, first, Path("data/pack/dev/rows.parquet"))
    finally:
        Path("params.yaml").write_text(before)
    one, other = read_card(first), read_card(Path("data/students/more-5/model"))
    assert other.init_sha256 == one.weights_sha256
    assert other.budget["schedule"]["epochs"] == 1
    assert budget_differences(one.budget, other.budget)
    begin, end = (
        load_model(folder)[0].state_dict() for folder in (first, Path("data/students/more-5/model"))
    )
    for name, weight in begin.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(end[name], weight, atol=1e-6, rtol=0)
