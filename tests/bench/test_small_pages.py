"""Pages of the benches that compare arms on FER2013: their templates show what they are given."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
import yaml

from bench import (
    camera_bench,
    distillation_bench,
    doubts_bench,
    elsewhere_bench,
    fer2013_project,
    ingredients_bench,
    negatives_bench,
    networks_bench,
    outside_bench,
    targets_bench,
)
from bench.networks_bench import LITE
from bench.peers.scores import scores_of
from bench.poor_camera import POOR, Light, face_in, seen
from fer_cli.results.trainings import Training
from fer_core.base import paths
from fer_core.base.files import sha256_file
from fer_core.base.labels import CLASSES
from fer_core.base.params import parse_section, read_params
from fer_core.outside.described.options import OutsideEntry
from fer_core.pipeline.schema.check import check_params
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pipeline.tuning.trials import read_trials
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model
from fer_core.report.templates.load import page_environment
from tests.shipped import ROOT


def interval(value: float) -> SimpleNamespace:
    return SimpleNamespace(
        value=value, low=value - 0.01, high=value + 0.01, excludes_zero=abs(value) > 0.01
    )


def pair(value: float) -> SimpleNamespace:
    names = ("macro_f1", "accuracy", "nll", "nll_scaled", "ece", "ece_scaled")
    one = SimpleNamespace(over_rows=interval(value), over_seeds=interval(value / 4), by_seed={})
    return SimpleNamespace(
        differences=dict.fromkeys(names, one), macro_f1_holm_p=0.0123, family=2, shown=True
    )


def rendered(name: str, **values: Any) -> str:
    text = page_environment(ROOT / "bench").get_template(name).render(**values)
    tables = [block for block in text.split("\n\n") if block.lstrip().startswith("|")]
    assert tables
    for table in tables:  # a blank line or a missing cell would break a table
        lines = table.strip().splitlines()
        assert re.fullmatch(r"[|:-]+", lines[1]), table
        assert len({line.count("|") for line in lines}) == 1 and len(lines) > 2, table
    return text


def test_others_as_teachers(tmp_path: Path) -> None:
    head = "set,entry,calibrated,chosen,weights,accuracy,accuracy_low,accuracy_high,"
    head += "macro_f1,macro_f1_low,macro_f1_high,nll,ece"
    scores = ",.61,.60,.62,.5,.4,.6,1.0,.02"
    rows = [
        f"{name},{entry}{scores}"
        for name in outside_bench.SETS
        for entry in (
            "ensemble,True,True,lite0=0.7 face_api=0.3",
            "uniform,True,False,",
            "lite0,True,False,",
            "lite0,False,False,",
        )
    ]
    for arm in outside_bench.ARMS:
        (board := tmp_path / arm / paths.LEADERBOARD).mkdir(parents=True)
        (board / "leaderboard.csv").write_text("\n".join([head, *rows]) + "\n")
    entries = outside_bench._entries(tmp_path)
    first, *others = outside_bench.ARMS
    assert [row["entry"] for row in entries if row["set"] == outside_bench.SETS[0]] == [
        *(f"ensemble, {first}", "lite0"),
        *(f"ensemble, {arm}" for arm in others),
    ]
    students = {
        name: [{"accuracy": a, "macro_f1": a - 0.1} for a in (0.5, 0.6, 0.7)]
        for name in outside_bench.SETS
    }
    text = rendered(
        "outside.md.j2",
        arms={"own": {"ce": students, "kd": students}, "others-alone": {"kd": students}},
        entries=entries,
        others=outside_bench.OTHERS,
        pairs={"others-alone": pair(-0.02)},
        sets=outside_bench.SETS,
        settings={"kd": {}, "train": {}, "seeds": [1], "per_class": 400},
    )
    assert "| mini_xception | FER2013 | part |" in text
    assert "| no teacher | ce | 0.600 ± 0.100 | 0.500 ± 0.100 | 0.600 ± 0.100 |" in text
    assert "-0.020 (-0.030 to -0.010) | -0.015 to +0.005 | 0.0123" in text
    assert "a difference, these seeds only" in text
    row = "| ensemble, own | 0.610 (0.600 to 0.620) | 0.500 (0.400 to 0.600) | 1.000 | 0.020 |"
    assert text.count(f"{row} lite0=0.7 face_api=0.3 |") == len(outside_bench.SETS)


def test_negatives() -> None:
    scaled = [
        {name: {"value": value} for name in ("accuracy", "macro_f1", "nll", "ece")}
        for value in (0.5, 0.6, 0.7)
    ]
    arm = next(iter(negatives_bench.ARMS))
    text = rendered(
        "negatives.md.j2",
        bases=negatives_bench.BASES,
        terms=negatives_bench.TERMS,
        train={},
        seeds=[1, 2, 3],
        scaled=dict.fromkeys((*negatives_bench.BASES, *negatives_bench.ARMS), scaled),
        pairs=dict.fromkeys(negatives_bench.ARMS, pair(0.08)),
        arms=negatives_bench.ARMS,
    )
    assert "| ce | 0.600 ± 0.100 | 0.600 ± 0.100 |" in text
    assert f"| {arm} | +0.080 (+0.070 to +0.090) | +0.010 to +0.030 | 0.0123 |" in text


def test_doubts() -> None:
    scores = [
        {name: {"value": value} for name in ("accuracy", "macro_f1", "nll", "ece")}
        for value in (0.5, 0.6, 0.7)
    ]
    text = rendered(
        "doubts.md.j2",
        folds=3,
        seeds=[1, 2, 3],
        methods=doubts_bench.METHODS,
        train={},
        sets=doubts_bench.SETS,
        scaled=dict.fromkeys(doubts_bench.SETS, dict.fromkeys(doubts_bench.METHODS, scores)),
        pairs=dict.fromkeys(doubts_bench.ARMS, pair(0.08)),
        arms=doubts_bench.ARMS,
        ahead={arm: [0.01, -0.02, 0.03] for arm in doubts_bench.ARMS},
    )
    assert "| kd_doubt | 0.600 ± 0.100 |" in text
    assert "| dkd_doubt | +0.080 (+0.070 to +0.090) |" in text
    assert "- `kd_doubt` less `kd`: +0.010, -0.020, +0.030" in text


def test_distillation_against_random_weights() -> None:
    pairs = dict.fromkeys(distillation_bench.TRIALS, pair(0.08))
    of_set = dict.fromkeys(distillation_bench.SETS, pairs)
    text = rendered("distillation.md.j2", of_set=of_set, arch=distillation_bench.ARCH)
    assert text.startswith("\n## Against"), "it goes on after the page before it"
    assert "| dkd | +0.080 (+0.070 to +0.090) | +0.010 to +0.030 | 0.0123 |" in text


def test_ingredients(tmp_path: Path) -> None:
    trials = [
        f'kd,1337,"temperature {t}, alpha {alpha}",{0.1 * t:.3f},.3,{1 + alpha},{int(t == 2 and alpha < 0.5)}'
        for t in (1.0, 2.0)
        for alpha in (0.3, 0.8)
    ]
    head = "method,seed,settings,val_macro_f1,val_accuracy,val_nll,best"
    (tmp_path / "grid.csv").write_text("\n".join([head, *trials]) + "\n")
    scaled = [
        {name: {"value": value} for name in ("accuracy", "macro_f1", "nll", "ece")}
        for value in (0.5, 0.6, 0.7)
    ]
    text = rendered(
        "ingredients.md.j2",
        set="publictest",
        seeds=[1, 2, 3],
        seed=1,
        teacher=scaled[0],
        rows=1314,
        grid=ingredients_bench.read_grid(tmp_path / "grid.csv"),
        scaled=dict.fromkeys(ingredients_bench.METHODS, scaled),
        methods={"kd": pair(0.04)},
        teachers={"without CLAHE": pair(0.02)},
        students={"without CLAHE": pair(-0.08)},
    )
    assert "| without CLAHE | +0.020 (+0.010 to +0.030) |" in text
    assert "| without CLAHE | -0.080 (-0.090 to -0.070) | -0.030 to -0.010 |" in text
    assert "| kd | +0.040 (+0.030 to +0.050) | +0.000 to +0.020 |" in text
    assert "| dkd | 0.600 ± 0.100 |" in text
    assert "1,314 val rows alone gives an accuracy of 0.25 a standard error of 0.012." in text
    assert "has an accuracy of 0.500 and a macro-F1 of 0.500." in text
    assert "| T | alpha 0.3 | alpha 0.8 |\n|---:|---:|---:|\n" in text
    assert "| 1.0 | 0.100 / 1.300 | 0.100 / 1.800 |" in text
    assert "| 2.0 | **0.200 / 1.300** | 0.200 / 1.800 |" in text


PROFILES = {
    **{
        arm: ("protocol-cpu", ingredients_bench.CHANGES | ingredients_bench.ARMS[arm])
        for arm in ingredients_bench.ARMS
    },
    **{
        f"targets: {arm}": ("fer2013", targets_bench.CHANGES | {"targets": targets_bench.ARMS[arm]})
        for arm in targets_bench.ARMS
    },
    "networks": ("fer2013", networks_bench.CHANGES),
    "doubts": ("fer2013", doubts_bench.CHANGES),
    "distillation": ("fer2013", distillation_bench.CHANGES),
    "elsewhere": ("fer2013", elsewhere_bench.CHANGES),
}


@pytest.mark.parametrize("arm", PROFILES)
def test_every_arm_is_a_valid_set_of_parameters(arm: str) -> None:
    profile, changes = PROFILES[arm]
    params = read_params(ROOT / f"profiles/{profile}.yaml")
    for name, value in changes.items():
        *outer, last = name.split(".")
        section = params
        for key in outer:
            section = section[key]
        section[last] = value
    check_params(params, Path("params.yaml"))
    check_methods(params, Path("params.yaml"))


def test_every_method_of_the_distillation_has_as_many_trials(tmp_path: Path) -> None:
    params = read_params(ROOT / "profiles/fer2013.yaml") | {
        "student": distillation_bench.CHANGES["student"]
    }
    tuning = {"seed": 1337, "by": "macro_f1", "trials": distillation_bench.TRIALS}
    (tmp_path / "tuning.yaml").write_text(yaml.safe_dump(tuning), encoding="utf-8")
    _, trials = read_trials(tmp_path / "tuning.yaml", params)
    assert Counter(trial.method for trial in trials) == dict.fromkeys(distillation_bench.TRIALS, 3)


def test_the_released_teacher_is_described_as_its_file_is() -> None:
    metadata = Predictor(ROOT / distillation_bench.TEACHER, threads=1).metadata
    described = parse_section(
        "teachers", distillation_bench.released_teacher(), OutsideEntry, Path("p.yaml")
    )
    assert described.classes == CLASSES
    assert described.preprocessing is not None
    assert described.preprocessing.side == metadata.preprocessing.size


def test_a_page_names_the_code_and_the_data_that_trained(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        names = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        command = ["git", *names, *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    for name in ("stages", "docs"):  # the second commit changes no code
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
        git("add", "-A"), git("commit", "-qm", name)
    (manifest := tmp_path / paths.MANIFEST).parent.mkdir(parents=True)
    manifest.write_bytes(b"rows")
    found = fer2013_project.made_by(tmp_path)
    assert f"commit `{git('rev-parse', '--short', 'HEAD~1').strip()}`" in found
    assert f"`{sha256_file(manifest)[:16]}`" in found


def test_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Training(
            name=name,
            line=name,
            is_student=False,
            arch=arch,
            size=48,
            parameters=660_000,
            epochs=2,
            selected=2,
            val_accuracy=score + 0.1,
            val_macro_f1=score,
            memory_mb=1234.0,
            seconds=61.0,
            images_per_second=99.6,
            curve={1: 0.1, 2: score},
        )
        for name, arch, score in (("r9_w16", "resnet9_w16", 0.5), ("lite0", LITE, 0.6))
    ]
    monkeypatch.setattr(networks_bench, "trainings", lambda scope, data: found)
    monkeypatch.setattr(fer2013_project, "made_by", lambda clone: f"made in {clone}")
    monkeypatch.setattr(networks_bench, "val_rows", lambda project: 2628)
    monkeypatch.setattr(networks_bench, "BATCH", 2)
    page = tmp_path / "networks.md"
    networks_bench._write_page(page, tmp_path)
    text = page.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    cells = "0.7 | 48 | 2 | 0.700 | 0.600 | 1,234 |"
    assert text.endswith(f"\n\nmade in {tmp_path}\n")
    assert "2,628 val rows alone gives an accuracy of 0.6 a standard error of 0.010:" in text
    assert rows[0].startswith(f"| lite0 (ImageNet) | {cells}"), "the best first"
    assert all(float(row.split(" | ")[-1].strip(" |")) > 0 for row in rows)
    assert rows[1].startswith("| r9_w16 | 0.7 |")
    for name, entry in networks_bench.NETWORKS.items():
        assert f"- `{name}`: `{entry['arch']}`" in text
    assert (tmp_path / "networks-curves.svg").read_text(encoding="utf-8").startswith("<svg")


def test_kinds_of_targets() -> None:
    found = [{"accuracy": a, "macro_f1": a - 0.1, "nll": 1.0} for a in (0.5, 0.6, 0.7)]
    arms = targets_bench.ARMS
    text = rendered(
        "targets.md.j2",
        arms=arms,
        base=targets_bench.BASE,
        students=dict.fromkeys(arms, found),
        ahead={arm: found for arm in arms if arm != targets_bench.BASE},
        targets={arm: {"val": found[0]} for arm in arms},
        metrics=targets_bench.METRICS,
        settings={"kd": {}, "train": {}, "seeds": [1], "per_class": 400},
    )
    means = "0.600 ± 0.100 | 0.500 ± 0.100 | 1.000 ± 0.000"
    assert f"| global | {means} |  |  |" in text
    assert (
        f"| weights by class | {means} | +0.400, +0.500, +0.600 | +1.000, +1.000, +1.000 |" in text
    )
    assert "| half people's votes | 0.500 | 0.400 | 1.000 |" in text


def test_the_page_of_trust_is_of_the_ready_network_as_it_is_now() -> None:
    page = (ROOT / "docs/results/trust-fer2013.md").read_text(encoding="utf-8")
    file = ready_model()
    assert f"`models/{file.parent.name}/{file.name}`, sha256 `{sha256_file(file)[:16]}`" in page
    thresholds = Predictor(file, threads=1).metadata.thresholds
    assert thresholds is not None and thresholds.confidence is not None
    aimed = f"| {100 * thresholds.risk:.0f} % | {thresholds.confidence:.3f} |"
    assert aimed in page, "fitted anew on calib rows, it is the file's"


def test_before_a_camera() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(7), 20)
    right = np.eye(7)[labels] * 5
    shown = ["as they are", *camera_bench.LIGHTS]
    scores = {
        name: {place: scores_of([logits], labels, np.arange(140)) for place in shown}
        for name, logits in {"one": right, "other": rng.normal(size=(140, 7))}.items()
    }
    text = rendered("camera.md.j2", scores=scores, shown=shown, faces=140, poor=POOR)
    assert text.count("1.000 (1.000 to 1.000)") == len(shown)
    less = scores["one"]["noise"].less(scores["other"]["noise"], "accuracy")
    assert f"{less.value:.3f} ({less.low:.3f} to {less.high:.3f})" in text


def test_a_network_may_be_shown_faces_of_the_size_that_it_learned_from() -> None:
    assert camera_bench._named("mine, int8=a/b.onnx@48") == ("mine, int8", Path("a/b.onnx"), 48)
    assert camera_bench._named("mine=b.onnx") == ("mine", Path("b.onnx"), None)
    for wrong in ("b.onnx", "mine=b.pt", "mine=b.onnx@", "mine=b.onnx@0"):
        with pytest.raises(typer.BadParameter, match="NAME=FILE"):
            camera_bench._named(wrong)
    large, small = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3), np.ones((2, 2, 3), "u1")
    found = camera_bench.reduced([large, small], 2)
    np.testing.assert_allclose(found[0], large.reshape(2, 2, 2, 2, 3).mean(axis=(1, 3)), atol=0.5)
    assert found[1] is small and camera_bench.reduced([large], None)[0] is large


def test_an_unmoved_face_in_good_light_is_what_it_was_and_in_poor_light_it_is_darker() -> None:
    face = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(face_in(seen(face, np.zeros(3), rng, Light())), face)
    assert face_in(seen(face, np.zeros(3), rng, POOR)).mean() < 0.6 * face.mean()
