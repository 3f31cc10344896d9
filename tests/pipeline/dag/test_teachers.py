from copy import deepcopy

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.dag.dag import synced
from tests.pipeline.dag.pipelines import PARAMS, stages, with_folds, with_stage_b
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT


def test_another_teacher_adds_its_stages_and_its_initial_weights() -> None:
    params = deepcopy(PARAMS)
    params["teachers"]["vit"] = {"arch": "test_vit"}
    found = stages(synced(TEXT, params, ROOT))
    assert found["teacher_a"]["foreach"]["vit"] == {
        "init": "data/init/test_vit",
        "own": "teachers.vit.arch",
        "own_size": "teachers.vit.arch",
    }
    assert "test_vit" in found["init"]["foreach"]
    assert "data/logits/vit/dev" in found["ensemble"]["deps"]
    assert "data/logits/vit/test" in found["leaderboard"]["deps"]


def test_without_a_teacher_of_stage_b_there_is_none_to_run() -> None:
    assert stages(TEXT)["teacher_b"]["foreach"] == {}
    assert not any("/b/" in dep for dep in stages(TEXT)["report"]["deps"])


def test_stage_b_stands_between_stage_a_and_all_that_uses_the_teacher() -> None:
    text = synced(TEXT, with_stage_b(), ROOT)
    found = stages(text)
    assert found["teacher_b"]["foreach"] == {
        "tiny_resnet": {
            "a": "data/teachers/tiny_resnet/a/model",
            "own": "teachers.tiny_resnet.arch",
            "own_size": "teachers.tiny_resnet.arch",
        }
    }
    assert "tiny_resnet" in found["teacher_a"]["foreach"]
    for stage in ("logits_dev", "logits_test", "evaluate"):
        assert (
            found[stage]["foreach"]["tiny_resnet"]["model"] == "data/teachers/tiny_resnet/b/model"
        )
        assert (
            found[stage]["foreach"]["tiny_effnet"]["model"] == "data/teachers/tiny_effnet/a/model"
        )
    assert {"data/teachers/tiny_resnet/b/record", "data/teachers/tiny_effnet/a/record"} <= set(
        found["report"]["deps"]
    )
    assert "data/teachers/tiny_resnet/a/record" not in found["report"]["deps"]
    assert synced(text, PARAMS, ROOT) == TEXT


def test_another_stage_of_a_teacher_does_not_repeat_its_stage_a() -> None:
    """Stage A declares the architecture alone, so that `stage: b` adds a training and repeats
    none.
    """
    before = stages(TEXT)["teacher_a"]
    after = stages(synced(TEXT, with_stage_b(), ROOT))["teacher_a"]
    assert after == before
    assert before["foreach"]["tiny_resnet"]["own"] == "teachers.tiny_resnet.arch"
    assert {name for name in before["do"]["params"] if "own" in name} == {
        "${item.own}",
        "${item.own_size}",
    }
    assert not any(name.startswith("teachers") for name in before["do"]["params"])


def test_without_folds_a_teacher_s_own_logits_of_its_train_rows_are_taken() -> None:
    assert synced(TEXT, with_folds(deepcopy(PARAMS), 0), ROOT) == TEXT.replace(
        "params: [views, teacher.train.precision, cpu_threads]",
        "params: [views, teacher.train.precision, cpu_threads, teacher.folds]",
    )
    assert not any("folds/" in dep for dep in stages(TEXT)["logits_dev"]["do"]["deps"])


def test_teachers_that_answer_for_mirror_images_are_trained_alike() -> None:
    params = deepcopy(PARAMS)
    params["teacher"]["mirror"] = True
    text = synced(TEXT, params, ROOT)
    changed = {stage for stage, body in stages(text).items() if body != stages(TEXT)[stage]}
    assert changed == {"logits_dev", "logits_test", "onnx_teacher"}
    for stage in changed:
        assert "teacher.mirror" in stages(text)[stage]["do"]["params"]
    assert synced(text, PARAMS, ROOT) == TEXT


def test_folds_add_a_training_for_each_teacher_and_part_and_change_nothing_of_the_whole_teachers() -> (
    None
):
    text = synced(TEXT, with_folds(with_stage_b(), 2), ROOT)
    found, plain = stages(text), stages(synced(TEXT, with_stage_b(), ROOT))
    assert list(found["teacher_fold"]["foreach"]) == [
        "tiny_resnet-a-0",
        "tiny_resnet-b-0",
        "tiny_resnet-a-1",
        "tiny_resnet-b-1",
        "tiny_effnet-a-0",
        "tiny_effnet-a-1",
        "tiny_resnet9-a-0",
        "tiny_resnet9-a-1",
    ]
    assert found["teacher_fold"]["foreach"]["tiny_resnet-b-1"] == {
        "teacher": "tiny_resnet",
        "stage": "b",
        "fold": 1,
        "start": "data/teachers/tiny_resnet/folds/a/1/model",
        "own": "teachers.tiny_resnet.arch",
        "own_size": "teachers.tiny_resnet.arch",
    }
    assert (
        found["teacher_fold"]["foreach"]["tiny_effnet-a-0"]["start"]
        == plain["teacher_a"]["foreach"]["tiny_effnet"]["init"]
    )
    assert {"teacher_b", "sets.large"} <= set(found["teacher_fold"]["do"]["params"])
    assert found["logits_dev"]["foreach"]["tiny_resnet"]["stage"] == "b"
    deps = [dep for dep in found["logits_dev"]["do"]["deps"] if "/folds/" in dep]
    assert deps == [f"data/teachers/${{key}}/folds/${{item.stage}}/{fold}/model" for fold in (0, 1)]
    assert "teacher.folds" in found["logits_dev"]["do"]["params"]
    for stage in ("teacher_a", "teacher_b", "logits_test", "student", "evaluate"):
        assert found[stage] == plain[stage], "a whole teacher depends on the number of folds"
    assert synced(text, PARAMS, ROOT) == TEXT


def test_options_of_a_teachers_own_repeat_its_trainings_and_no_other_teachers() -> None:
    params = with_stage_b()
    params["teacher"]["folds"] = 2
    params["teacher"]["votes"] = 0.5
    params["teacher"]["preprocessing"] = {"size": 48}
    before = stages(synced(TEXT, params, ROOT))
    params["teachers"]["tiny_resnet"]["a"] = {"train": {"epochs": 60}}
    text = synced(TEXT, params, ROOT)
    after = stages(text)
    trainings = ("teacher_a", "teacher_b", "teacher_fold")
    assert {"teacher.votes", "teacher.preprocessing"} <= set(after["teacher_a"]["do"]["params"])
    for stage in trainings:
        assert after[stage]["do"] == before[stage]["do"]
        assert "${item.own}" in after[stage]["do"]["params"]
    own = {
        (stage, key): item["own"]
        for stage in trainings
        for key, item in after[stage]["foreach"].items()
        if item != before[stage]["foreach"][key]
    }
    reads = "teachers.tiny_resnet.a"
    assert own == {
        ("teacher_a", "tiny_resnet"): reads,
        ("teacher_fold", "tiny_resnet-a-0"): reads,
        ("teacher_fold", "tiny_resnet-a-1"): reads,
    }
    assert after["teacher_b"]["foreach"]["tiny_resnet"]["own"] == "teachers.tiny_resnet.arch"
    assert synced(text, PARAMS, ROOT) == TEXT


def test_an_image_size_of_a_teachers_own_is_declared_by_name() -> None:
    params = deepcopy(PARAMS)
    params["teachers"]["tiny_resnet"]["a"] = {"preprocessing": {"size": 48}}
    found = stages(synced(TEXT, params, ROOT))["teacher_a"]
    own = "teachers.tiny_resnet.a"
    assert found["foreach"]["tiny_resnet"]["own_size"] == f"{own}.preprocessing.size"
    assert found["do"] == stages(TEXT)["teacher_a"]["do"]


def test_no_teacher_is_exported_until_params_ask_for_it() -> None:
    assert stages(TEXT)["onnx_teacher"]["foreach"] == {}
    params = deepcopy(PARAMS)
    params["deploy"]["teachers"] = ["tiny_resnet9", "tiny_resnet"]
    text = synced(TEXT, params, ROOT)
    assert stages(text)["onnx_teacher"]["foreach"] == {
        "tiny_resnet9": {"model": "data/teachers/tiny_resnet9/a/model"},
        "tiny_resnet": {"model": "data/teachers/tiny_resnet/a/model"},
    }
    assert synced(text, PARAMS, ROOT) == TEXT


def test_the_exported_teacher_is_the_one_whose_logits_are_used() -> None:
    params = with_stage_b()
    params["deploy"]["teachers"] = ["tiny_resnet"]
    found = stages(synced(TEXT, params, ROOT))
    used = found["logits_test"]["foreach"]["tiny_resnet"]
    assert (
        found["onnx_teacher"]["foreach"]["tiny_resnet"]
        == used
        == {"model": "data/teachers/tiny_resnet/b/model"}
    )


def test_export_of_an_unknown_teacher_is_refused() -> None:
    params = deepcopy(PARAMS)
    params["deploy"]["teachers"] = ["tiny_resent"]
    with pytest.raises(ParamsError, match=r"deploy\.teachers[\s\S]*tiny_resent[\s\S]*tiny_resnet"):
        synced(TEXT, params, ROOT)


def test_soft_labels_depend_on_how_targets_are_made_where_params_say_it() -> None:
    text = synced(TEXT, PARAMS | {"targets": {"weights": "uniform"}}, ROOT)
    assert set(stages(text)["softlabels"]["params"]) - set(
        stages(TEXT)["softlabels"]["params"]
    ) == {"targets"}
    assert synced(text, PARAMS, ROOT) == TEXT
