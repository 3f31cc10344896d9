"""Faulty parameter files: every fault is found before anything runs, and named by its key."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.schema import check_methods, check_params, check_sources, models_of
from tests.outside.peers import network_entry

ROOT = Path(__file__).parents[2]
PATH = Path("params.yaml")
Change = Callable[[dict[str, Any]], object]


ADAPT = read_params(ROOT / "profiles" / "webcam.yaml")["adapt"]


def params_after(change: Change) -> dict[str, Any]:
    params = read_params(ROOT / "profiles" / "sample.yaml")
    change(params)
    return params


def left_out(params: dict[str, Any], *sources: str, **options: Any) -> None:
    """Leave these data sets out, or all."""
    params["cross_dataset"] = {"left_out": list(sources) or "all", **options}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.update(seed=-5), ["seed", "-5"]),
        (lambda p: p.update(seed=10**22), ["seed", "10000000000000000000000"]),
        (lambda p: p.update(seed=True), ["seed", "True"]),
        (lambda p: p.update(seed="1337"), ["seed", "1337"]),
        (lambda p: p["student"].update(seeds=[-1]), ["student.seeds.0", "-1"]),
        (lambda p: p["student"].update(seeds=[1337, 1337]), ["student.seeds", "twice", "1337"]),
        (
            lambda p: p["student"].update(methods=["ce", "kd", "ce", "dkd"]),
            ["student.methods", "twice", "ce"],
        ),
        (
            lambda p: p["student"].update(methods=["ce", "kdd"], kdd={}),
            ["student.methods", "kdd", "ce, dist, dkd, kd"],
        ),
        (
            lambda p: p["student"].update(methods=["ce", "k/d"]),
            ["student.methods", "k/d", "letters, digits and _"],
        ),
        (lambda p: p["student"].update(kd=3), ["student.kd", "found: 3"]),
        (lambda p: p["student"].update(nkdd={"temperature": 1.0, "gamma": 1.0}), ["student.nkdd"]),
        (
            lambda p: p.update(teachers={}),
            ["student.methods", "there are none", "`teachers: {}`", "name teachers"],
        ),
        (
            lambda p: p.update(teachers={"tiny_resnet": "test_resnet"}),
            ["teachers.tiny_resnet", "test_resnet"],
        ),
        (lambda p: p.update(teachers=["test_resnet"]), ["teachers", "test_resnet"]),
        (
            lambda p: p.update(teachers={"../tiny_resnet": {"arch": "test_resnet"}}),
            ["teachers", "../tiny_resnet", "letters, digits and _"],
        ),
        (
            lambda p: p.update(teachers={"kd-1337": {"arch": "test_resnet"}}),
            ["teachers", "kd-1337"],
        ),
        (
            lambda p: p.update(teachers={"ensemble": {"arch": "test_resnet"}}),
            ["teachers", "ensemble", "rename"],
        ),
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
        (lambda p: p.update(adapt=ADAPT), ["adapt.sources", "webcam", "sample_expw"]),
        (
            lambda p: p.update(adapt=ADAPT | {"sources": ["sample_expw"], "sets": ["nope"]}),
            ["adapt.sets", "nope", "test_all_sources"],
        ),
        (lambda p: p.update(adapt=ADAPT | {"mode": "all"}), ["adapt.mode", "all"]),
        (
            lambda p: (
                p.update(adapt=ADAPT | {"sources": ["sample_expw"]}),
                p["clean"].update(webcam_session={"self_label": {"sure": 0.8}}),
            ),
            ["Self-labelled", "sample_expw", "teacher.set"],
        ),
        (
            lambda p: p["clean"].update(webcam_session={"self_label": {"sure": 0.8}}),
            ["self_label", "no section adapt"],
        ),
        (
            lambda p: p["clean"].update(webcam_session={"self_label": {"sure": 0.4}}),
            ["clean.webcam_session.self_label", "unsure must be at most sure"],
        ),
        (
            lambda p: p.update(adapt=ADAPT | {"train": ADAPT["train"] | {"trainable": "last"}}),
            ["adapt.train", "adapt.mode"],
        ),
        (lambda p: p.update(crossval={"folds": 1}), ["crossval.folds", "1"]),
        (lambda p: p.update(crossval={"folds": 5}), ["crossval", "kd", "teachers", "deploy"]),
        (
            lambda p: p["pack"].update(train_sets=["nope"]),
            ["No named set of train rows", "nope", "split: [train]"],
        ),
        (
            lambda p: (
                p["sets"].update(hq={"split": ["train"]}, few={"split": ["train"]}),
                p["pack"].update(train_sets=["hq"]),
                p["teacher"].update(set="hq"),
                p["student"].update(set="few"),
            ),
            ["student.set", "few", "pack.train_sets: hq"],
        ),
        (
            lambda p: (
                p["sets"].update(hq={"split": ["train"]}),
                p["pack"].update(train_sets=["hq"]),
            ),
            ["teacher.set", "all train rows", "pack.train_sets: hq"],
        ),
        (
            lambda p: (
                p["sets"].update(hq={"split": ["train"], "without": ["sample_expw"]}),
                p["pack"].update(train_sets=["hq"]),
                p["teacher"].update(set="hq"),
                p["student"].update(set="hq"),
                p.update(adapt=ADAPT | {"sources": ["sample_expw"]}),
            ),
            ["adapt.sources", "sample_expw", "pack.train_sets"],
        ),
        (lambda p: p["student"].update(unlabelled={"sources": []}), ["student.unlabelled.sources"]),
        (
            lambda p: p["student"].update(unlabelled={"sources": ["a"], "min_confidence": 1.0}),
            ["student.unlabelled.min_confidence", "1.0"],
        ),
        (
            lambda p: p["student"].update(unlabelled={"sources": ["a"], "methods": ["kd", "ce"]}),
            ["student.unlabelled.methods", "ce", "kd, dkd"],
        ),
        (
            lambda p: (
                p["student"].update(unlabelled={"sources": ["a"]}, methods=["ce"]),
                p["deploy"].update(student="ce-1337"),
            ),
            ["teach nobody", "student.unlabelled", "kd"],
        ),
        (
            lambda p: left_out(p, "sample_exwp"),
            ["cross_dataset.left_out", "sample_exwp", "sample_expw"],
        ),
        (lambda p: left_out(p, "sample_expw", "sample_expw"), ["cross_dataset.left_out", "once"]),
        (
            lambda p: left_out(p, method="kd"),
            ["cross_dataset.method", "kd", "teachers", "left out"],
        ),
        (lambda p: left_out(p, method="votes"), ["cross_dataset.method", "votes", "ce, kd, dkd"]),
        (
            lambda p: (
                left_out(p, method="more"),
                p["student"].update(
                    methods=["kd", "dkd", "ce", "more"],
                    more={"method": "ce", "label_smoothing": 0.0, "start": "ce"},
                ),
            ),
            ["cross_dataset.method", "more", "a student of ce, which has seen"],
        ),
        (
            lambda p: (left_out(p), p["student"].update(init="models/fer2013/model")),
            ["cross_dataset.method", "student.init", "may have seen"],
        ),
        (lambda p: left_out(p, seeds=9), ["cross_dataset.seeds", "9", "at most 3"]),
        (lambda p: left_out(p, rows=0), ["cross_dataset.rows", "0"]),
        (
            lambda p: (left_out(p, "sample_expw"), p["manifest"].update(eval_only=["sample_expw"])),
            ["cross_dataset.left_out", "sample_expw", "do not learn from"],
        ),
        (
            lambda p: (
                left_out(p, "sample_expw"),
                p["sets"].update(one={"split": ["train"], "sources": ["sample_expw"]}),
                p["student"].update(set="one"),
            ),
            ["cross_dataset.left_out", "set one", "empty", "sample_expw"],
        ),
        (
            lambda p: (
                left_out(p),
                p["manifest"].update(sources=["sample_expw", "None"]),
                p.update(sets={"test_all_sources": {}}),
            ),
            ["manifest.sources", "None", "leaves none out"],
        ),
        (lambda p: p["student"].update(init="../models; rm"), ["student.init", "rm"]),
        (lambda p: p["views"].update(rotation=120), ["views.rotation", "120"]),
        (lambda p: p["teacher"]["train"].update(optimizer="lion"), ["teacher.train.optimizer"]),
        (lambda p: p["sets"].update({"val": {}}), ["sets", "val", "rename"]),
        (lambda p: p["sets"].update({"a.b": {}}), ["sets", "a.b", "letters, digits and _"]),
        (
            lambda p: p["sets"].update(real={"sources": ["fer2013"]}),
            ["sets.real.sources", "fer2013", "manifest.sources"],
        ),
        (
            lambda p: p["evaluation"].update(compare_set="nope"),
            ["evaluation.compare_set", "nope", "test_all_sources"],
        ),
        (
            lambda p: (
                p["sets"].update(hard={"split": ["val"]}),
                p["evaluation"].update(compare_set="hard"),
            ),
            ["compare_set", "hard"],
        ),
        (
            lambda p: p["deploy"].update(student="kd-1"),
            ["deploy.student", "kd-1", "kd-1337", "student.seeds"],
        ),
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
    with pytest.raises(ParamsError) as caught:
        check_params(params_after(change), PATH)
    for word in told:
        assert word in str(caught.value), caught.value


def test_a_data_set_alone_and_a_section_without_names_are_no_faults() -> None:
    def alone(params: dict[str, Any]) -> None:
        left_out(params)
        params["manifest"].update(sources=["sample_expw"])
        params["sets"] = {"test_all_sources": {}}

    check_params(params_after(alone), PATH)
    check_params(params_after(lambda p: p.update(cross_dataset={})), PATH)
    check_params(params_after(lambda p: left_out(p, "sample_expw", "sample_rafdb")), PATH)


def test_each_name_of_a_list_of_sets_to_compare_on_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the section's model takes: one name or several."""
    params = params_after(
        lambda p: p["evaluation"].update(compare_set=["test_all_sources", "nope"])
    )
    with pytest.raises(ParamsError, match=r"compare_set[\s\S]*nope"):
        check_params(params, PATH)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"temprature": 3.0}, "student.kd.temprature"),
        ({"temperature": -2}, "student.kd.temperature"),
        ({"alpha": 7}, "student.kd.alpha"),
    ],
)
def test_options_of_methods_are_checked_key_by_key(options: dict[str, Any], told: str) -> None:
    params = params_after(lambda p: p["student"]["kd"].update(options))
    check_params(params, PATH)
    with pytest.raises(ParamsError, match=told.replace(".", r"\.")):
        check_methods(params, PATH)


def test_teachers_doubt_no_label_that_they_learned_from() -> None:
    params = params_after(lambda p: p["student"]["kd"].update(doubt={"least": 0.9}))
    with pytest.raises(ParamsError, match=r"student\.kd\.doubt[\s\S]*teacher\.folds: 0"):
        check_methods(params, PATH)
    params["teacher"]["folds"] = 2
    check_methods(params, PATH)


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


HOSTILE = ("x; touch y #", "$(id)", "`id`", "a b", "../x", "a\nb", "-x", "${seed}", "", "é", "a'b")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("where", "put"),
    [
        ("student.arch", lambda p, v: p["student"].update(arch=v)),
        ("teachers.tiny_resnet.arch", lambda p, v: p["teachers"]["tiny_resnet"].update(arch=v)),
        ("teachers", lambda p, v: p["teachers"].update({v: {"arch": "test_resnet"}})),
        ("student.methods", lambda p, v: p["student"]["methods"].append(v)),
        ("student.seeds", lambda p, v: p["student"]["seeds"].append(v)),
        ("sets", lambda p, v: p["sets"].update({v: {}})),
        ("manifest.sources", lambda p, v: p["manifest"]["sources"].append(v)),
        ("deploy.student", lambda p, v: p["deploy"].update(student=v)),
        ("deploy.teachers", lambda p, v: p["deploy"].update(teachers=[v])),
    ],
)
def test_no_value_that_reaches_a_command_line_can_be_more_than_a_name(
    where: str, put: Callable[[dict[str, Any], str], object], value: str
) -> None:
    """The keys, architectures and names below stand in `cmd` of dvc.yaml, which a shell reads."""
    with pytest.raises(ParamsError, match=where.replace(".", r"\.")):
        check_params(params_after(lambda params: put(params, value)), PATH)


def test_sections_of_methods_that_are_not_trained_are_ignored_and_described() -> None:
    def change(params: dict[str, Any]) -> None:
        params["student"]["methods"] = ["ce"]
        params["deploy"]["student"] = "ce-1337"
        params["teachers"] = {}

    params = params_after(change)
    check_params(params, PATH)
    check_methods(params, PATH)
    assert "student.kd" in models_of(params)


def test_train_sets_are_asked_for_by_sections_that_something_is_trained_by() -> None:
    def pack_some(params: dict[str, Any]) -> None:
        params["sets"]["hq"] = {"split": ["train"]}
        params["pack"]["train_sets"] = ["hq"]
        params["student"]["set"] = "hq"
        of_a = {name: deepcopy(params["teacher"][name]) for name in ("train", "arcface")}
        params["teacher_b"] = of_a | {"preprocessing": {"size": 48}}

    def no_teachers(params: dict[str, Any]) -> None:
        pack_some(params)
        params["teachers"] = {}
        params["student"]["methods"] = ["ce"]
        params["deploy"]["student"] = "ce-1337"

    def none_in_stage_b(params: dict[str, Any]) -> None:
        pack_some(params)
        params["teacher"]["set"] = "hq"

    def one_in_stage_b(params: dict[str, Any]) -> None:
        none_in_stage_b(params)
        params["teachers"]["tiny_resnet"]["stage"] = "b"

    check_params(params_after(no_teachers), PATH)
    check_params(params_after(none_in_stage_b), PATH)
    with pytest.raises(ParamsError, match=r"teacher_b\.set"):
        check_params(params_after(one_in_stage_b), PATH)


PEER = network_entry("peers/face.onnx", 48)
TABLE = {"logits": "peers/face.parquet", "trained_on": ["FER2013"], "overlap": "part"}


def with_peer(**changes: Any) -> dict[str, Any]:
    entry = (TABLE if "logits" in changes else PEER) | changes
    given = {name: value for name, value in entry.items() if value is not None}
    return params_after(lambda params: params["teachers"].update(peer=given))


@pytest.mark.parametrize("entry", [PEER, TABLE])
def test_a_teacher_from_elsewhere_is_an_entry_of_teachers(entry: dict[str, Any]) -> None:
    check_params(params_after(lambda params: params["teachers"].update(peer=entry)), PATH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trained_on": None}, ["peer.trained_on", "required"]),
        ({"trained_on": []}, ["peer.trained_on"]),
        ({"trained_on": [" "]}, ["peer.trained_on"]),
        ({"overlap": None}, ["peer.overlap", "required"]),
        ({"overlap": "perhaps"}, ["peer.overlap", "perhaps", "unknown"]),
        ({"overlap": {"sample_expw": "none"}}, ["peer.overlap", "sample_fer2013", "unknown"]),
        ({"overlap": {"elsewhere": "none"}}, ["peer.overlap", "elsewhere", "test_all_sources"]),
        ({"preprocessing": None}, ["onnx needs preprocessing"]),
        ({"preprocessing": {"side": 8}}, ["peer.preprocessing.side", "16"]),
        ({"preprocessing": {"side": 48, "std": 0}}, ["std must be greater than 0"]),
        ({"preprocessing": {"side": 48, "mean": [1, 2]}}, ["peer.preprocessing.mean"]),
        (
            {"preprocessing": {"side": 48, "colour": "grey", "mean": [0.1, 0.2, 0.3]}},
            ["a grey input has one mean"],
        ),
        ({"preprocessing": {"side": 48, "colour": "lab"}}, ["peer.preprocessing.colour", "lab"]),
        ({"preprocessing": {"side": 48, "clahe": True}}, ["peer.preprocessing.clahe"]),
        ({"classes": None}, ["onnx needs classes"]),
        ({"classes": ["Happy"] * 7}, ["classes must hold each of", "once"]),
        ({"classes": [*PEER["classes"], "Contempt"]}, ["classes must hold each of"]),
        ({"arch": "resnet18"}, ["peer.arch"]),
        ({"stage": "b"}, ["peer.stage"]),
        ({"views": "a" * 64}, ["views is of a table"]),
        ({"logits": "x.parquet", "onnx": "x.onnx"}, ["either onnx or logits"]),
        ({"logits": "x.npz"}, [".parquet or .csv"]),
        ({"logits": "x.csv", "classes": PEER["classes"]}, ["logits has none"]),
        ({"onnx": "../x.onnx"}, ["peer.onnx"]),
        ({"onnx": "/x.onnx"}, ["peer.onnx"]),
    ],
)
def test_a_faulty_teacher_from_elsewhere_is_named_by_its_key(
    changes: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(ParamsError) as caught:
        check_params(with_peer(**changes), PATH)
    assert all(text in str(caught.value) for text in ["teachers.peer", *told])


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["onnx", "logits"])
def test_a_file_from_elsewhere_can_be_no_more_than_a_path(key: str, value: str) -> None:
    with pytest.raises(ParamsError, match=rf"teachers\.peer\.{key}"):
        check_params(with_peer(**{key: value}), PATH)


def test_a_statement_may_be_on_a_named_set_beside_the_data_sets() -> None:
    sources = params_after(lambda params: None)["manifest"]["sources"]
    overlap = dict.fromkeys(sources, "unknown") | {"test_all_sources": "part"}
    check_params(with_peer(overlap=overlap), PATH)


def test_nobody_asks_for_the_weights_of_a_teacher_from_elsewhere() -> None:
    params = with_peer()
    params["deploy"]["teachers"] = ["peer"]
    with pytest.raises(ParamsError, match=r"deploy\.teachers[\s\S]*no weights to export"):
        check_params(params, PATH)
    params = with_peer()
    params["student"]["unlabelled"] = {"sources": ["sample_expw"]}
    with pytest.raises(ParamsError, match=r"student\.unlabelled"):
        check_params(params, PATH)


def test_the_file_of_a_teacher_from_elsewhere_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ParamsError, match=r"peers/face\.onnx[\s\S]*known to git or DVC"):
        check_sources(with_peer(), PATH)
