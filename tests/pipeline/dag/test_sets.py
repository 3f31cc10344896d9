from copy import deepcopy

from fer_core.pipeline.dag.dag import synced
from tests.pipeline.dag.pipelines import PARAMS, stages, with_stage_b
from tests.shipped import PIPELINE as TEXT
from tests.shipped import ROOT


def test_a_training_stage_declares_the_named_set_it_learns_from_and_no_other() -> None:
    params = with_stage_b()
    params["teacher"]["set"], params["student"]["set"] = "hq", "hq"
    params["pack"]["train_sets"] = ["hq", "large"]
    text = synced(TEXT, params, ROOT)

    def declared(name: str) -> list[str]:
        body = stages(text)[name]
        return [param for param in body.get("do", body)["params"] if "set" in param]

    assert declared("pack") == ["sets.hq", "sets.large"]
    assert declared("teacher_a") == ["teacher.set", "sets.hq"]
    assert declared("teacher_b") == ["sets.large"]
    assert declared("student") == ["student.set", "sets.hq"]
    assert declared("evaluate") == ["sets"]
    assert synced(text, PARAMS, ROOT) == TEXT


def test_the_named_set_of_one_teacher_is_declared_by_its_stage() -> None:
    params = with_stage_b()
    params["teachers"]["tiny_resnet"] |= {"a": {"set": "hq"}, "b": {"set": "best"}}
    params["pack"]["train_sets"] = ["hq", "best", "large"]
    found = stages(synced(TEXT, params, ROOT))
    assert {"sets.hq", "sets.best", "sets.large"} & set(found["teacher_a"]["do"]["params"]) == {
        "sets.hq"
    }
    assert {"sets.best", "sets.large"} <= set(found["teacher_b"]["do"]["params"])


def test_a_trial_of_a_few_rows_declares_all_named_sets_where_it_packs_alone() -> None:
    params = deepcopy(PARAMS)
    params["pack"]["most_per_class"] = 3
    text = synced(TEXT, params, ROOT)
    changed = {name for name, body in stages(text).items() if body != stages(TEXT)[name]}
    assert changed == {"pack", "report"} and "sets" in stages(text)["pack"]["params"]
    assert "pack.most_per_class" in stages(text)["report"]["params"]
    assert synced(text, PARAMS, ROOT) == TEXT
