import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fer_cli.profile import app, use_profile
from fer_core.base.errors import ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.schema.check import check_params, check_sources
from fer_core.pipeline.schema.comments import commented, with_absent
from fer_core.pipeline.schema.methods import check_methods
from tests.shipped import PIPELINE, ROOT, SAMPLE, lay_sample


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay_sample(tmp_path)
    for name in ("profiles", "stages", "fer_core", "models", "data/sources"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def texts(project: Path) -> tuple[str, str]:
    return (project / "params.yaml").read_text(), (project / "dvc.yaml").read_text()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_profile_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    params = read_params(path)
    check_params(params, path)
    check_sources(params, path)
    check_methods(params, path)
    there = synced(PIPELINE, params, ROOT)
    assert synced(there, read_params(SAMPLE), ROOT) == PIPELINE


def test_the_profile_for_own_folders_is_the_sample_s_but_for_its_data() -> None:
    """So a change of the sample's sizes reaches it too."""
    own, sample = (
        read_params(ROOT / "profiles" / f"{name}.yaml") for name in ("custom_scratch", "sample")
    )
    assert own["manifest"]["sources"] == ["custom"]
    assert own["manifest"].pop("missing_test_fraction") == 0.2
    assert sample.pop("cpu_threads") == 1  # the same result everywhere goes before speed
    assert sample.pop("cross_dataset") == {"left_out": []}  # of one data set none can be left out
    for section in ("teacher", "student"):  # the sample's are as short as its claims allow
        longer, shorter = (one[section]["train"].pop("epochs") for one in (own, sample))
        assert longer > shorter
    for params in (own, sample):
        del params["teacher"]["arcface"]  # its epochs go with those
        del params["trust"]["robustness"]["rows"]
        for key in ("sets", "validate"):
            del params[key]
        for section, key in (
            ("manifest", "sources"),
            ("manifest", "test_fraction"),
            ("manifest", "val_fraction"),
            ("manifest", "calib_fraction"),
            ("evaluation", "compare_set"),
            ("deploy", "licence"),
            ("student", "seeds"),  # the sample has three: one moves its results by too much
        ):
            del params[section][key]
    assert own == sample


def test_there_and_back_restores_every_byte(project: Path) -> None:
    before = texts(project)
    use_profile("fer2013")
    assert texts(project)[0] == (project / "profiles" / "fer2013.yaml").read_text()
    assert texts(project) != before
    use_profile("sample")
    assert texts(project) == before


def test_the_protocol_brings_stage_b_and_the_named_sets_it_trains_on(project: Path) -> None:
    use_profile("protocol")
    stages = yaml.safe_load(texts(project)[1])["stages"]
    assert stages["teacher_b"]["foreach"] == {
        tag: {
            "a": f"data/teachers/{tag}/a/model",
            "own": f"teachers.{tag}.arch",
            "own_size": f"teachers.{tag}.arch",
        }
        for tag in ("rn18", "rn50", "b3", "cnxt", "vit")
    }
    assert stages["logits_dev"]["foreach"]["rn18"]["model"] == "data/teachers/rn18/b/model"
    assert "sets.stage_b" in stages["teacher_b"]["do"]["params"]
    assert "sets.hq_train" in stages["student"]["do"]["params"]


def test_adaptation_brings_its_stages_and_a_key_of_its_own_and_takes_them_away(
    project: Path,
) -> None:
    use_profile("webcam")
    stages = yaml.safe_load(texts(project)[1])["stages"]
    assert stages["predict"]["foreach"][-1] == stages["calibrate"]["foreach"][-1] == "adapted"
    assert stages["evaluate"]["foreach"]["adapted"] == {"model": "data/students/adapted/model"}
    assert "data/sources/webcam.json" in stages["adapt_gate"]["deps"]
    assert "adapt" in stages["adapt"]["params"] and "cpu_threads" in stages["adapt"]["params"]
    use_profile("sample")
    stages = yaml.safe_load(texts(project)[1])["stages"]
    assert not {"adapt", "adapt_gate"} & set(stages)
    assert "adapted" not in stages["predict"]["foreach"]


def test_cross_validation_comes_and_goes_with_the_profile_of_few_faces(project: Path) -> None:
    use_profile("custom")
    stages = yaml.safe_load(texts(project)[1])["stages"]
    item = {"init": "models/fer2013/model", "loss": "ce"}
    assert stages["crossval"]["foreach"] == {"whole-1337": item}
    for stage in ("report", "onnx"):
        assert "metrics/crossval.json" in stages[stage]["deps"]
        assert "crossval" in stages[stage]["params"]
    use_profile("sample")
    text = texts(project)[1]
    assert "crossval" not in yaml.safe_load(text)["stages"]
    assert text.count("metrics/crossval.json") == 1  # the comment that the stage is now


def test_data_sets_are_left_out_where_the_profile_says_so(project: Path) -> None:
    use_profile("protocol")
    stages = yaml.safe_load(texts(project)[1])["stages"]
    items = stages["cross_dataset"]["foreach"]
    assert list(items)[:4] == ["none-1337", "none-2025", "none-42", "rafdb_basic-1337"]
    left_out = {item["left_out"] for item in items.values()}
    learned = {"rafdb_basic", "affectnet_full_balanced", "ferplus_folders", "expw"}
    assert left_out == {"none", *learned} and len(items) == 3 * 5
    assert items["none-42"] == {
        "left_out": "none",
        "method": "ce",
        "loss": "ce",
        "seed": 42,
        "init": "data/init/mobilenetv3_large_100",
    }
    assert "sets.hq_train" in stages["cross_dataset"]["do"]["params"]
    assert "data/cross_dataset/expw-2025" in stages["cross_dataset_matrix"]["deps"]
    assert "metrics/cross_dataset.json" in stages["report"]["deps"]
    use_profile("sample")
    text = texts(project)[1]
    stages = yaml.safe_load(text)["stages"]
    assert not {"cross_dataset", "cross_dataset_matrix"} & set(stages)
    assert "metrics/cross_dataset.json" not in stages["report"]["deps"]


def test_one_data_set_alone_has_no_training_without_it_and_its_record(project: Path) -> None:
    use_profile("custom")
    params = read_params(Path("params.yaml"))
    params.pop("crossval")
    params["student"].pop("init")
    params["cross_dataset"] = {"left_out": "all"}
    text = synced(texts(project)[1], params, ROOT)
    stages = yaml.safe_load(text)["stages"]
    assert stages["cross_dataset"]["foreach"] == {}
    deps = stages["cross_dataset_matrix"]["deps"]
    assert not [dep for dep in deps if dep.startswith("data/cross_dataset/")]
    params["cross_dataset"] = {}
    assert "cross_dataset" not in yaml.safe_load(synced(text, params, ROOT))["stages"]


def test_edited_params_are_not_lost(project: Path) -> None:
    (project / "params.yaml").write_text(
        (project / "params.yaml").read_text().replace("seed: 1337", "seed: 7")
    )
    before = texts(project)
    with pytest.raises(ParamsError, match="no profile holds"):
        use_profile("fer2013")
    assert texts(project) == before
    use_profile("fer2013", force=True)
    assert texts(project) != before


def test_profiles_are_listed_and_used_where_there_is_no_params_yaml_yet(project: Path) -> None:
    (project / "params.yaml").unlink()
    listed = CliRunner().invoke(app, ["list"])
    assert listed.exit_code == 0 and "  sample" in listed.output and "*" not in listed.output
    use_profile("sample")
    assert "* sample" in CliRunner().invoke(app, ["list"]).output


def test_outside_a_project_there_are_no_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match="project's root"):
        use_profile("sample")


def test_unknown_profile_names_those_there_are(project: Path) -> None:
    with pytest.raises(ParamsError, match="fer2013, protocol-cpu, protocol, sample"):
        use_profile("ferr2013")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("  arch: test_resnet\n", "  archh: test_resnet\n", "student.arch"),
        ("temperature: 2.0", "tau: 2.0", "student.kd.temperature"),
        ("    epochs: 10", "    epochs: many", "teacher.train.epochs"),
        ("  bootstrap: 400", "  bootstrap: 400\n  boostrap: 10", "evaluation.boostrap"),
        ("  student: dkd-1337", "  student: dkd-1", "deploy.student"),
        (
            "  student: dkd-1337",
            "  teachers: [rn81]\n  student: kd-1337",
            "deploy.teachers",
        ),
        (
            "tiny_resnet: {arch: test_resnet}",
            "tiny_resnet: {arch: test_resnet, stage: c}",
            "teachers.tiny_resnet.stage",
        ),
        (
            "tiny_resnet: {arch: test_resnet}",
            "tiny_resnet: {arch: test_resnet, stage: b}",
            "teacher_b",
        ),
        ("  head:\n", "  set: sample_expw\n  head:\n", "sample_expw"),
        ("  methods: [ce", "  set: nowhere\n  methods: [ce", "nowhere"),
        (
            "  # Cross-entropy with the labels, without teachers.\n",
            "    mixup: 0.2\n",
            "student.train.mixup",
        ),
        (
            "  # Cross-entropy with the labels, without teachers.\n",
            "    label_smoothing: 0.1\n",
            "student.train.label_smoothing",
        ),
        ("    epochs: 10", "    epochs: 2", "arcface.warmup_epochs"),
        (
            "temperature: 2.0",
            "temperature: 2.0\n    extra_epochs: 1",
            "student.kd's lr and extra_epochs",
        ),
        ("temperature: 2.0", "temperature: 2.0\n    lr: 0.000001", "min_lr must not exceed lr"),
        (
            "  # The embedding before the classifier.\n",
            "    accumulation: 3\n",
            "accumulation",
        ),
        ("seed: 1337\n", "seed: 1337\nsede: 1\n", "sede"),
        ("seed: 1337\n", "seed: 1337\nseed: 1338\n", "seed"),
    ],
)
def test_faulty_profile_is_refused_by_key_and_changes_nothing(
    project: Path, old: str, new: str, named: str
) -> None:
    profile = project / "profiles" / "broken.yaml"
    text = (ROOT / "profiles" / "sample.yaml").read_text()
    assert old in text
    profile.write_text(text.replace(old, new, 1))
    before = texts(project)
    with pytest.raises(ParamsError, match=named.replace(".", r"\.")):
        use_profile("broken")
    assert texts(project) == before


def test_absent_classes_are_a_fact_of_the_data_and_survive_a_change_of_profile(
    project: Path,
) -> None:
    path = project / "params.yaml"
    path.write_text(with_absent(path.read_text(), ["Neutral"]))
    use_profile("custom_scratch")
    params = read_params(path)
    assert params["labels"] == {"absent": ["Neutral"]}
    assert params["manifest"]["sources"] == ["custom"]
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    reading = {
        name for name, body in stages.items() if "labels" in body.get("do", body).get("params", [])
    }
    assert reading >= {"validate", "student", "evaluate", "leaderboard", "compare", "onnx"}
    assert not reading & {"clean", "manifest", "init"}
    assert commented(path.read_text()) == path.read_text()
    path.write_text(with_absent(path.read_text(), ()))
    use_profile("sample")
    assert (project / "dvc.yaml").read_text() == PIPELINE
