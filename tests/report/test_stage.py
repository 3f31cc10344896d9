"""The stage `report` on a whole run's artifacts: what it publishes is what they say, or it
publishes nothing.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from fer_cli.report import report as fer_report
from fer_core.base.errors import ArtifactError, FerError, ParamsError
from fer_core.base.files import read_json, write_json, write_text
from fer_core.base.labels import CLASSES
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.export.onnx.gates import plain_calibrator
from fer_core.logits.store import read_recorded_logits
from fer_core.report.facts.collect import TRUST
from stages import report
from tests.artifacts import reseal, rewrite
from tests.report.conftest import STUDENTS, TEACHERS
from tests.report.reading import Page

OUTS = (
    "metrics/headline.json",
    "metrics/summary.json",
    "metrics/leaderboard.csv",
    "metrics/comparison.csv",
    "metrics/resultssummarystudents.csv",
    "metrics/per_source_f1.csv",
    "metrics/hard_cases.csv",
    "plots/history_students.csv",
    "plots/history_teachers.csv",
    "plots/confusion.csv",
    "plots/reliability.csv",
    "data/report/index.html",
    "data/report/hard_cases.html",
)


def edited(path: str, change: Callable[[dict], object]) -> Callable[[], None]:
    def edit() -> None:
        values = read_json(Path(path))
        change(values)
        rewrite(Path(path), values)

    return edit


def replaced(path: str, old: str, new: str) -> Callable[[], None]:
    def edit() -> None:
        text = Path(path).read_text(encoding="utf-8")
        assert old in text
        write_text(Path(path), text.replace(old, new))

    return edit


def test_a_calibration_by_class_in_the_files_gives_the_headline_and_leaves_the_board(
    project: Path,
) -> None:
    report.main()
    before = {name: Path(name).read_bytes() for name in ("metrics/leaderboard.csv", OUTS[1])}
    folder, found = Path("data/calibration/kd-1"), "weights of kd-1"
    edited(
        str(folder / "calibration.json"), lambda v: v.update(chosen="vector", carried="vector")
    )()
    vector = read_calibration(folder, found).carried
    parity = read_json(Path("data/onnx/onnxparity.json"))
    rewrite(Path("data/onnx/onnxparity.json"), parity | {"calibrator": plain_calibrator(vector)})
    report.main()
    assert before == {name: Path(name).read_bytes() for name in before}
    measured = read_json(folder / "reliabilitymetrics.json")["everything"]["vector"]
    headline = read_json(Path("metrics/headline.json"))
    metrics = {name: one["value"] for name, one in measured["metrics"].items()}
    assert headline == {
        **{name: metrics[name] for name in ("macro_f1", "accuracy", "minority_f1")},
        "nll_scaled_nats": metrics["nll"],
        "ece_scaled": metrics["ece"],
    }
    test = read_recorded_logits(Path("data/evaluation/kd-1/test"))
    said = vector.apply(test.eval).argmax(axis=1)
    assert headline["accuracy"] == pytest.approx(np.mean(said == test.labels), abs=1e-6)
    points = pd.read_csv("plots/confusion.csv")
    assert sorted(points["predicted"]) == sorted(np.array(CLASSES)[said])
    assert set(pd.read_csv("plots/reliability.csv")["stage"]) == {"raw", "scaled", "vector"}
    page = Page(Path("data/report/index.html"))
    assert f"{100 * headline['accuracy']:.1f} %" in page.top()
    assert "The exported files carry a scale and a bias of each class" in page.text
    assert "which may change the predicted class: what they reach is at the top" in page.text


def test_the_summary_says_what_the_artifacts_say(project: Path) -> None:
    report.main()
    found = read_json(Path("metrics/summary.json"))
    assert list(found) == ["data", "everything", "onnx"]
    assert list(found["everything"]) == ["ensemble", *TEACHERS, *STUDENTS]
    for key in (*TEACHERS, *STUDENTS):
        mine = dict(found["everything"][key])
        recorded = read_json(Path(f"data/evaluation/{key}/metrics.json"))["sets"]["everything"][
            "metrics"
        ]
        scaled = read_json(Path(f"data/calibration/{key}/reliabilitymetrics.json"))["everything"][
            "temperature_scaled"
        ]["metrics"]
        assert mine == {
            **{name: recorded[name]["value"] for name in ("macro_f1", "accuracy", "minority_f1")},
            "nll_nats": recorded["nll"]["value"],
            "nll_scaled_nats": scaled["nll"]["value"],
            "ece": recorded["ece"]["value"],
            "ece_scaled": scaled["ece"]["value"],
            "temperature": read_json(Path(f"data/calibration/{key}/calibration.json"))[
                "temperature"
            ],
        }
        test = read_recorded_logits(Path(f"data/evaluation/{key}/test"))
        assert mine["macro_f1"] == pytest.approx(
            f1_score(test.labels, test.eval.argmax(axis=1), average="macro"), abs=1e-6
        )
        assert mine["accuracy"] == pytest.approx(
            accuracy_score(test.labels, test.eval.argmax(axis=1)), abs=1e-6
        )
    board = read_json(Path("data/leaderboard/leaderboard.json"))["rows"]
    (row,) = [row for row in board if row["set"] == "everything" and row["chosen"]]
    ensemble = read_json(Path("data/ensemble/ensemble.json"))
    assert found["everything"]["ensemble"] == {
        **{name: row["metrics"][name]["value"] for name in ("macro_f1", "accuracy", "minority_f1")},
        "nll_scaled_nats": row["metrics"]["nll"]["value"],
        "ece_scaled": row["metrics"]["ece"]["value"],
        "temperature": ensemble["chosen"]["temperature"],
    }
    assert [
        found["data"][f"rows_{name}"] for name in ("train", "val", "calib", "test", "dropped")
    ] == [60, 70, 280, 210, 9]
    assert found["data"]["rows_dropped_by_reason"] == {"contradictory_twins": 4, "twin_in_test": 5}
    parity, exports = (
        read_json(Path("data/onnx/onnxparity.json")),
        read_json(Path("data/onnx/onnxexportreport.json"))["exports"],
    )
    for record in exports:
        mine, figures = (
            found["onnx"][record["precision"]],
            parity["precisions"][record["precision"]],
        )
        assert (mine["size_bytes"], mine["max_logit_difference"]) == (
            record["bytes"],
            figures["maxabsdiff"],
        )
        assert (mine["class_agreement"], mine["macro_f1"]) == (
            figures["agreement"],
            figures["macro_f1"],
        )


def test_a_teacher_of_two_stages_is_shown_by_the_record_of_its_second(project: Path) -> None:
    replaced(
        "params.yaml", "tiny_resnet: {arch: resnet18}", "tiny_resnet: {arch: resnet18, stage: b}"
    )()
    with pytest.raises(ArtifactError, match="tiny_resnet/b/record"):
        report.main()
    shutil.copytree("data/teachers/tiny_resnet/a", "data/teachers/tiny_resnet/b")
    replaced("data/teachers/tiny_resnet/b/record/history.csv", "2.0123456789", "1.5")()
    a = {"size": 224, "macro_f1": 0.61234, "accuracy": 0.65, "nll": 1.1}
    b = {"size": 384, "macro_f1": 0.64567, "accuracy": 0.66, "nll": 1.0}
    write_text(
        Path("data/teachers/tiny_resnet/b/record/compare.json"),
        json.dumps({"a": a, "b": b, "right_only_in": {"a": 31, "b": 47}}),
    )
    report.main()
    page = Page(Path("data/report/index.html"))
    for stage, cells in (
        ("A", ["224", "0.612", "0.650", "1.100", "31"]),
        ("B", ["384", "0.646", "0.660", "1.000", "47"]),
    ):
        row = page.row("Both stages of a teacher", f"tiny_resnet, stage {stage}")
        assert list(row.values())[1:] == cells
    curves = pd.read_csv("plots/history_teachers.csv").set_index(["model", "epoch"])
    assert curves.loc[("tiny_resnet", 0), "train_loss"] == 1.5


def test_the_tables_hold_everybody(project: Path) -> None:
    report.main()
    board = pd.read_csv("metrics/leaderboard.csv")
    alone = [(key, calibrated) for key in (*TEACHERS, *STUDENTS) for calibrated in (False, True)]
    expected = [
        *alone,
        *((name, True) for name in ("best_single", "uniform", "ensemble", "per_class")),
    ]
    expected += [
        (f"{name} T=1.2", False)
        for name in (*TEACHERS, *STUDENTS, "best_single", "uniform", "ensemble")
    ]
    for name in ("everything", "large"):
        mine = board[board["set"] == name]
        assert sorted(zip(mine["entry"], mine["calibrated"], strict=True)) == sorted(expected)
        assert mine["macro_f1"].is_monotonic_decreasing
    fixed = board[(board["set"] == "large") & (board["entry"] == "kd-2 T=1.2")].iloc[0]
    raw = board[(board["set"] == "large") & (board["entry"] == "kd-2")].iloc[0]
    evaluation = read_evaluation(Path("data/evaluation/kd-2"))
    mask = evaluation.sets["large"]
    p = softmax(evaluation.test.eval[mask].astype(np.float64) / 1.2, axis=1)
    nll = log_loss(evaluation.test.labels[mask], p, labels=range(len(CLASSES)))
    assert fixed["nll"] == pytest.approx(nll, abs=1e-6) and np.isnan(fixed["nll_low"])
    assert fixed["macro_f1_low"] == raw["macro_f1_low"]
    large = board[
        (board["set"] == "large") & (board["entry"] == "kd-2") & board["calibrated"]
    ].iloc[0]
    recorded = read_json(Path("data/calibration/kd-2/reliabilitymetrics.json"))["large"]
    assert (large["rows"], large["ece_high"]) == (
        105,
        recorded["temperature_scaled"]["metrics"]["ece"]["high"],
    )

    pair = read_json(Path("data/comparison/comparison.json"))["pairs"][0]
    line = pd.read_csv("metrics/comparison.csv").iloc[0]
    assert (line["a"], line["b"], line["verdict"]) == (pair["a"], pair["b"], pair["verdict"])
    assert line["delta_nll_low"] == pair["delta_nll"]["low"]

    seeds = pd.read_csv("metrics/resultssummarystudents.csv").set_index(["set", "method", "metric"])
    for name in ("everything", "large"):
        calibrated = [
            read_json(Path(f"data/calibration/kd-{seed}/reliabilitymetrics.json"))[name]
            for seed in (1, 2)
        ]
        values = [one["temperature_scaled"]["metrics"]["ece"]["value"] for one in calibrated]
        spread = seeds.loc[(name, "kd", "ece_scaled")]
        assert spread["mean"] == pytest.approx(np.mean(values), abs=1e-6)
        assert spread["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
        assert (spread["min"], spread["max"], spread["seeds"]) == (min(values), max(values), 2)
        for metric in ("brier", "ece_equal_mass"):
            for stage, suffix in (("raw", ""), ("temperature_scaled", "_scaled")):
                values = [one[stage]["metrics"][metric]["value"] for one in calibrated]
                assert seeds.loc[(name, "kd", metric + suffix), "mean"] == pytest.approx(
                    np.mean(values), abs=1e-6
                )
        for label in CLASSES:
            values = [one["raw"]["per_class_f1"][label] for one in calibrated]
            assert seeds.loc[(name, "kd", f"f1_{label}"), "max"] == pytest.approx(
                max(values), abs=1e-6
            )


def test_f1_of_a_class_without_rows_is_left_empty_in_the_summary_of_students(project: Path) -> None:
    for key in STUDENTS:
        edited(
            f"data/calibration/{key}/reliabilitymetrics.json",
            lambda v: v["large"]["raw"]["per_class_f1"].update(Fear=None),
        )()
    report.main()
    seeds = pd.read_csv("metrics/resultssummarystudents.csv").set_index(["set", "method", "metric"])
    assert seeds.loc[("large", "kd", "f1_Fear"), ["mean", "sd", "min", "max"]].isna().all()
    assert seeds.loc[("everything", "kd", "f1_Fear"), "mean"] > 0


def test_f1_by_data_set_and_class_and_scores_on_hard_rows_are_published(project: Path) -> None:
    report.main()
    table = pd.read_csv("metrics/per_source_f1.csv")
    assert set(table["model"]) == {*TEACHERS, *STUDENTS} and set(table["source"]) == {"rafdb_basic"}
    mine = table[table["model"] == "tiny_resnet"].set_index("class")
    test = read_recorded_logits(Path("data/evaluation/tiny_resnet/test"))
    expected = f1_score(test.labels, test.eval.argmax(axis=1), average=None)
    np.testing.assert_allclose(mine.loc[list(CLASSES), "f1"], expected, atol=1e-6)
    assert mine["faces"].sum() == 210

    hard = pd.read_csv("metrics/hard_cases.csv").set_index(["model", "rows_of"])
    recorded = read_json(Path("data/hard_cases/hard_cases.json"))
    assert set(hard["kind"]) == {"teacher", "student", "ensemble"}
    for key in (*TEACHERS, *STUDENTS, "ensemble"):
        for part, rows in (("hard", recorded["hard_rows"]), ("all", recorded["val_rows"])):
            line, found = (
                hard.loc[(key, part)],
                recorded["scores"][key][part]["metrics"]["macro_f1"],
            )
            assert (line["rows"], line["macro_f1"], line["macro_f1_high"]) == (
                rows,
                found["value"],
                found["high"],
            )


def test_the_plots_are_of_the_recorded_runs(project: Path) -> None:
    report.main()
    for who, keys in (("students", STUDENTS), ("teachers", TEACHERS)):
        curves = pd.read_csv(f"plots/history_{who}.csv")
        assert list(dict.fromkeys(curves["model"])) == list(keys)
    kept = pd.read_csv("data/students/ce-2/record/history.csv")
    curves = pd.read_csv("plots/history_students.csv")
    mine = curves[curves["model"] == "ce-2"]
    for name in ("epoch", "train_loss", "val_macro_f1", "val_nll"):
        np.testing.assert_allclose(mine[name], kept[name], atol=1e-6)
    pairs = pd.read_csv("plots/confusion.csv")
    recorded = read_json(Path("data/evaluation/kd-1/metrics.json"))["sets"]["everything"][
        "confusion"
    ]
    assert (
        confusion_matrix(pairs["actual"], pairs["predicted"], labels=list(CLASSES)).tolist()
        == recorded
    )
    points = pd.read_csv("plots/reliability.csv")
    assert points.groupby("stage")["count"].sum().to_dict() == {"raw": 210, "scaled": 210}


def test_a_second_run_writes_the_same_bytes_and_times_have_no_say(project: Path) -> None:
    report.main()
    before = {name: Path(name).read_bytes() for name in OUTS}
    for log in Path("data").glob("*/**/log"):
        found = read_json(log / "environment.json")
        write_json(log / "environment.json", found | {"images_per_second": 98.76})
    report.main()
    assert {name: Path(name).read_bytes() for name in OUTS} == before
    found = {
        str(path) for top in ("metrics", "plots", "data/report") for path in Path(top).iterdir()
    }
    of_others = {f"metrics/{name}.json" for name in ("onnxpromotion", *TRUST)}
    assert found - of_others - {"metrics/latencybenchmarks.csv"} == set(OUTS)
    text = b"".join(before.values())
    assert str(project).encode() not in text
    assert b"98.76" not in text


@pytest.mark.parametrize(
    "gone",
    [
        "data/validation.json",
        "data/teachers/tiny_effnet/a/record/history.csv",
        "data/students/ce-2/record/history.csv",
        "data/evaluation/tiny_resnet/metrics.json",
        "data/evaluation/kd-2/metrics.json",
        "data/evaluation/kd-2/test/eval.npy",
        "data/calibration/ce-1/calibration.json",
        "data/calibration/ce-1/reliabilitymetrics.json",
        "data/calibration/ce-1/reliability.csv",
        "data/leaderboard/leaderboard.json",
        "data/ensemble/ensemble.json",
        "data/softlabels/ensemble_metrics.json",
        "data/comparison/comparison.json",
        "data/onnx/onnxexportreport.json",
        "data/onnx/onnxparity.json",
        "data/hard_cases/hard_cases.json",
    ],
)
def test_a_missing_or_cut_artifact_is_an_error_and_nothing_is_published(
    project: Path, gone: str
) -> None:
    whole = Path(gone).read_bytes()
    Path(gone).unlink()
    with pytest.raises(ArtifactError):
        report.main()
    Path(gone).write_bytes(whole[: len(whole) // 8])
    with pytest.raises(ArtifactError):
        report.main()
    assert not any(Path(name).exists() for name in OUTS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: Path("metrics/latencybenchmarks.csv").unlink(), "missing"),
        (lambda: Path("metrics/onnxpromotion.json").write_text('{"ver'), "JSON"),
        (replaced("metrics/latencybenchmarks.csv", "kd-1", "kd-2"), "files exported and timed"),
        (
            edited("metrics/onnxpromotion.json", lambda v: v["verdicts"][0].update(promoted=True)),
            "promoted and not exported",
        ),
    ],
)
def test_times_of_another_run_are_refused_and_the_tracked_page_does_not_need_them(
    project: Path, change: Callable[[], object], says: str
) -> None:
    change()
    with pytest.raises(ArtifactError, match=says):
        fer_report(Path("build/report"))
    assert not Path("build/report").exists()
    report.main()


STALE: dict[str, tuple[Callable[[], None], str]] = {
    "gate not passed": (
        edited("data/validation.json", lambda v: v.update(ok=False)),
        "passed gate",
    ),
    "gate of other rows": (
        edited("data/validation.json", lambda v: v["rows_by_split"].update(calib=1)),
        "calib rows",
    ),
    "teacher trained again": (
        edited(
            "data/ensemble/ensemble.json", lambda v: v["model_sha256"].update(tiny_effnet="new")
        ),
        "weights of tiny_effnet",
    ),
    "temperature of other weights": (
        lambda: reseal(Path("data/calibration/kd-1"), made_from={"model": "new"}),
        "other weights",
    ),
    "export of another student": (
        replaced("data/onnx/onnxexportreport.json", '"kd-1"', '"kd-2"'),
        "student of",
    ),
    "export of other weights": (
        replaced("data/onnx/onnxexportreport.json", "weights of kd-1", "old"),
        "weights of student.fp32.onnx",
    ),
    "export with another calibrator": (
        edited("data/onnx/onnxparity.json", lambda v: v["calibrator"].update(temperature=9.0)),
        "calibrator of the export",
    ),
    "parity on some rows": (
        edited("data/onnx/onnxparity.json", lambda v: v.update(rows_used=5)),
        "in full",
    ),
    "parity without a figure": (
        edited("data/onnx/onnxparity.json", lambda v: v["precisions"]["fp16"].pop("kl")),
        "Field required",
    ),
    "export that failed its parity check": (
        replaced("data/onnx/onnxexportreport.json", '"pass": true', '"pass": false'),
        "verdict on",
    ),
    "comparison misses a run": (
        edited("data/comparison/comparison.json", lambda v: v["runs"].pop()),
        "runs of the comparison",
    ),
    "comparison of an older run": (
        edited(
            "data/comparison/comparison.json",
            lambda v: v["runs"][0]["metrics"]["nll"].update(value=0.0),
        ),
        "comparison and evaluation of ce-1",
    ),
    "leaderboard of an older teacher": (
        edited(
            "data/leaderboard/leaderboard.json",
            lambda v: [row["metrics"]["ece"].update(value=0.0) for row in v["rows"]],
        ),
        "leaderboard and tiny_resnet",
    ),
    "leaderboard without the ensemble": (
        edited(
            "data/leaderboard/leaderboard.json",
            lambda v: v.update(rows=[row for row in v["rows"] if not row["chosen"]]),
        ),
        "misses an entry",
    ),
    "calibration of an older run": (
        edited(
            "data/calibration/kd-2/reliabilitymetrics.json",
            lambda v: v["large"]["raw"]["metrics"]["ece"].update(value=0.0),
        ),
        "calibration and evaluation of kd-2 on large",
    ),
    "confusion forged": (
        edited(
            "data/evaluation/kd-1/metrics.json",
            lambda v: v["sets"]["everything"]["confusion"][0].reverse(),
        ),
        "logits and confusion",
    ),
    "history with a hole": (
        replaced("data/students/kd-1/record/history.csv", "\n1,", "\n7,"),
        "every epoch",
    ),
    "history not finite": (
        replaced("data/students/kd-1/record/history.csv", ",1.66,", ",nan,"),
        "finite",
    ),
}


@pytest.mark.parametrize(("change", "says"), STALE.values(), ids=STALE.keys())
def test_artifacts_of_different_runs_are_refused(
    project: Path, change: Callable[[], None], says: str
) -> None:
    change()
    with pytest.raises(ArtifactError, match=says):
        report.main()
    assert not any(Path(name).exists() for name in OUTS)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("student: kd-1", "student: dkd-1", ParamsError),
        ("compare_set: everything", "compare_set: small", ArtifactError),
        ("seeds: [1, 2]", "seeds: [1, 2, 3]", ArtifactError),
        ("teachers: {tiny_resnet: {arch: resnet18}, ", "teachers: {", ArtifactError),
    ],
)
def test_params_that_ask_for_what_was_not_run_are_refused(
    project: Path, old: str, new: str, error: type[FerError]
) -> None:
    replaced("params.yaml", old, new)()
    with pytest.raises(error):
        report.main()


def test_the_stage_does_not_import_torch() -> None:
    code = "import sys, stages.report\nsys.exit('torch' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]
        ).returncode
        == 0
    )
