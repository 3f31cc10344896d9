from pathlib import Path

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import Params, read_params
from fer_core.training.loop.options import TrainOptions


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_small_numbers_that_dvc_writes_in_scientific_notation_stay_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "teacher:\n  train:\n    lr: 1e-06\n")
    assert Params.load(path).section("teacher.train.lr", float) == 1e-6


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("seed: [1", "not valid YAML"),
        ("seed: 1\nseed: 2\n", "seed"),
        ("sede: 1\n", "sede"),
        ("- 1\n", "holds no sections"),
        ("seed: one\n", "seed"),
        ("clean: {}\n", "seed"),
    ],
)
def test_faulty_files_are_errors_that_name_the_place(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ParamsError, match=named):
        Params.load(write(tmp_path, text)).section("seed", int)


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="project's root"):
        read_params(tmp_path / "params.yaml")


def test_a_default_stands_in_for_a_missing_key_and_for_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path, "student:\n  set: 3\n")
    assert Params.load(path).section("student.arch", str, default="resnet18") == "resnet18"
    assert Params.load(path).section("teacher_b.set", str, default=None) is None
    with pytest.raises(ParamsError, match=r"student\.set"):
        Params.load(path).section("student.set", str, default="all")


def test_every_fault_of_a_section_is_listed_with_its_value(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "teacher:\n  train: {epochs: 0, batch: 8, lr: 0.1, min_lr: 0, weight_decay: 0, "
        "lr_warmup_epochs: 0,"
        " balance: balanced, grad_clip: 0, precision: fp32, momentum: 0.9}\n",
    )
    with pytest.raises(ParamsError) as caught:
        Params.load(path).section("teacher.train", TrainOptions)
    text = str(caught.value)
    for part in (
        "teacher.train.epochs",
        "teacher.train.balance",
        "'balanced'",
        "teacher.train.momentum",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"balance": "batches", "batch": 13}, "at least 14"),
        ({"min_lr": 1.0}, "min_lr"),
        ({"lr_warmup_epochs": 5}, "lr_warmup_epochs"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    change: dict[str, object], message: str
) -> None:
    plain = {
        "epochs": 5,
        "batch": 16,
        "lr": 0.1,
        "min_lr": 0.0,
        "weight_decay": 0.0,
        "lr_warmup_epochs": 1,
    }
    plain |= {"balance": "none", "grad_clip": 0.0, "precision": "fp32"}
    with pytest.raises(ValueError, match=message):
        TrainOptions(**(plain | change))
