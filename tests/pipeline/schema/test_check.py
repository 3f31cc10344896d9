"""Faulty parameter files: every fault is found before anything runs, and named by its key."""

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.schema.check import check_sources
from tests.pipeline.schema.faults import PATH, ROOT, Change, assert_told, params_after


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.update(seed=-5), ["seed", "-5"]),
        (lambda p: p.update(seed=10**22), ["seed", "10000000000000000000000"]),
        (lambda p: p.update(seed=True), ["seed", "True"]),
        (lambda p: p.update(seed="1337"), ["seed", "1337"]),
        (lambda p: p["student"].update(seeds=[-1]), ["student.seeds.0", "-1"]),
        (
            lambda p: p.update(teachers={"tiny_resnet": "test_resnet"}),
            ["teachers.tiny_resnet", "test_resnet"],
        ),
        (lambda p: p.update(teachers=["test_resnet"]), ["teachers", "test_resnet"]),
        (lambda p: p["teacher"].update(folds="two"), ["teacher.folds", "two"]),
        (lambda p: p["teacher"].update(votes=1.5), ["teacher.votes", "1.5"]),
        (
            lambda p: p["teachers"]["tiny_resnet"].update(a={"train": {"epochs": 0}}),
            ["teachers.tiny_resnet.a", "epochs", "0"],
        ),
        (
            lambda p: p["teachers"]["tiny_resnet"].update(b={"train": {"epochs": 3}}),
            ["teachers.tiny_resnet", "stage: b"],
        ),
        (
            lambda p: p["teachers"]["tiny_resnet"].update(a={"folds": 2}),
            ["teachers.tiny_resnet", "folds"],
        ),
        (
            lambda p: p["teachers"]["tiny_resnet"].update(a={"mirror": True}),
            ["teachers.tiny_resnet", "same for all", "mirror"],
        ),
        (
            lambda p: p.update(targets={"weights": "nobody"}),
            ["targets.weights", "nobody", "tiny_resnet"],
        ),
        (
            lambda p: (
                p["ensemble"].update(kinds=["global"]),
                p.update(targets={"weights": "per_class"}),
            ),
            ["targets.weights", "per_class", "ensemble.kinds"],
        ),
        (lambda p: p.update(targets={"votes": 2}), ["targets.votes", "2"]),
        (lambda p: p["student"].update(init="../models; rm"), ["student.init", "rm"]),
        (lambda p: p["views"].update(rotation=120), ["views.rotation", "120"]),
        (lambda p: p["teacher"]["train"].update(optimizer="lion"), ["teacher.train.optimizer"]),
        (
            lambda p: p["deploy"].update(student="kd-1"),
            ["deploy.student", "kd-1", "kd-1337", "student.seeds"],
        ),
        (lambda p: p["student"].update(seeds=[]), ["student.seeds: []", "at least one"]),
        (lambda p: p["student"].update(methods=[]), ["student.methods: []", "at least one"]),
        (
            lambda p: p["deploy"].update(teachers=["tiny_resent"]),
            ["deploy.teachers", "tiny_resent", "tiny_resnet"],
        ),
        (
            lambda p: p["preprocessing"].update(size=0),
            ["preprocessing.size", "found: 0", "16 to 1024", "remedy"],
        ),
        (
            lambda p: p["manifest"].update(sources=["sample_expw", "sample_expw"]),
            ["manifest", "twice"],
        ),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)


def test_a_listed_data_set_without_a_descriptor_is_named_with_what_adds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    check_sources(params_after(lambda p: None), PATH)
    params = params_after(lambda p: p["manifest"].update(sources=["sample_expw", "my_faces"]))
    with pytest.raises(
        ParamsError, match=r"my_faces[\s\S]*sample_expw[\s\S]*fer data add my_faces PATH"
    ):
        check_sources(params, PATH)
