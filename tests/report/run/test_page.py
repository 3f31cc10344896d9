"""The page: complete, self-contained, escaped, and its numbers are the artifacts'."""

import base64
import dataclasses
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import scipy.special

from fer_cli.report import report as fer_report
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.base.labels import CLASSES
from fer_core.base.provenance import surroundings
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.boards.hard_cases import REASONS, read_hard_cases
from fer_core.evaluation.boards.leaderboard import read_leaderboard
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.report.facts.collect import RunFacts
from stages import report
from tests.arrange_logits import logits_set
from tests.report.conftest import STUDENTS, TEACHERS
from tests.report.reading import Page, found, words

INDEX, SHEET = Path("data/report/index.html"), Path("data/report/hard_cases.html")
SECTIONS = (
    "methods",
    "leaderboard",
    "classes",
    "calibration",
    "mistakes",
    "hard",
    "training",
    "teachers",
    "data",
    "onnx",
    "latency",
    "provenance",
)
BESIDE = ("../onnx/MODEL_CARD.md", "../datasheet/index.html", "hard_cases.html")


def written() -> Page:
    """The report of this machine; the stage's own pages are written too."""
    report.main()
    fer_report(Path("build/report"))
    return Page(Path("build/report/index.html"))


def tracked() -> Page:
    """The page that the stage writes."""
    report.main()
    return Page(INDEX)


@pytest.fixture
def page(project: Path) -> Page:
    return written()


def test_classes_that_nobody_has_are_told_at_the_top(project: Path) -> None:
    file = Path("data/validation.json")
    write_json(file, read_json(file) | {"absent": ["Disgust", "Neutral"]})
    tracked()
    assert "Nobody in the data has Disgust, Neutral: the network never" in INDEX.read_text()


def measured(key: str, name: str = "everything") -> dict[str, Any]:
    return read_json(Path(f"data/evaluation/{key}/metrics.json"))["sets"][name]


def interval(values: dict[str, float]) -> str:
    return f"{values['low']:.3f} to {values['high']:.3f}"


def test_the_page_needs_nothing_from_outside(page: Page) -> None:
    page.is_alone(BESIDE)
    assert page.soup.find_all("img")
    assert "prefers-color-scheme: dark" in page.source and "width=device-width" in page.source


def test_text_of_params_and_artifacts_is_escaped(page: Page) -> None:
    assert "<script>none" not in page.source and "<undecodable>" not in page.source
    assert "<script>none</script> & free" in words(page.section("provenance"))
    assert page.row("Left out", "excluded: <undecodable> image")["faces"] == "2"
    assert "2 cores of Some <CPU>" in words(page.section("latency"))


def test_everybody_and_every_section_is_there(page: Page) -> None:
    for anchor in SECTIONS:
        assert page.section(anchor).find("h2")
    for key in (*TEACHERS, *STUDENTS, "ensemble", *CLASSES, "student.fp16.onnx"):
        assert key in page.text
    verdict = read_json(Path("data/comparison/comparison.json"))["pairs"][0]["verdict"]
    assert words(verdict) in words(page.section("methods"))


def test_the_numbers_at_the_top_are_the_artifacts(page: Page) -> None:
    scores = measured("kd-1")["metrics"]
    for name in ("macro_f1", "accuracy"):
        assert f"{scores[name]['value']:.3f}" in page.top()
        assert interval(scores[name]) in page.top()
    assert "kd-1" in page.top() and "mobilenet" in page.top() and "210 test faces" in page.top()


def test_classes_confusion_and_sharpness_are_the_artifacts(page: Page) -> None:
    for key in STUDENTS:
        row = page.row("F1 of each class on everything", key)
        for label, value in measured(key)["per_class_f1"].items():
            assert row[label] == f"{value:.3f}"
    for counts, label in zip(measured("kd-1")["confusion"], CLASSES, strict=True):
        row = page.row("Confusion of kd-1 on everything", label)
        assert [row[name] for name in CLASSES] == [
            f"{100 * count / sum(counts):.0f} %" for count in counts
        ]
        assert row["faces"] == f"{sum(counts)}"
    points = read_json(Path("data/softlabels/ensemble_metrics.json"))["sharpness"]
    shown = page.table("Sharpness of the soft labels")
    assert [row["mean entropy (nats)"] for row in shown] == [
        f"{one['entropy']:.3f}" for one in points
    ]


def test_exported_files_are_shown_with_their_distance_to_the_network(page: Page) -> None:
    row = page.row("kd-1 as ONNX (opset 18)", "student.fp16.onnx")
    assert row["largest logit difference"] == "1.2e-02" and row["same class"] == "99.52 %"
    manifest = read_json(Path("data/validation.json"))["manifest_sha256"]
    assert page.row("What the numbers are of", "manifest")["hash"] == manifest


def test_the_worst_mistakes_are_the_surest_wrong_answers(page: Page) -> None:
    test = read_evaluation(Path("data/evaluation/kd-1")).test
    temperature = read_json(Path("data/calibration/kd-1/calibration.json"))["temperature"]
    p = scipy.special.softmax(test.eval.astype(float) / temperature, axis=1)
    figures = {
        words(figure.figcaption): figure for figure in page.section("mistakes").find_all("figure")
    }
    for label, name in enumerate(CLASSES):
        wrong = [i for i in range(len(test)) if test.labels[i] == label and p[i].argmax() != label]
        title = f"{name}: {len(wrong)} of {(test.labels == label).sum()} wrong"
        worst = sorted(wrong, key=lambda i: -p[i].max())[:6]
        assert page.names(figures[title]) == [test.sample_ids[i] for i in worst]
        assert [words(below) for below in figures[title].find_all("small")] == [
            f"{CLASSES[p[i].argmax()]} {100 * p[i].max():.0f}%" for i in worst
        ]
        for picture in figures[title].find_all("img"):
            data = base64.b64decode(str(picture["src"]).partition(",")[2])
            grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
            assert grey is not None
            assert abs(int(grey.mean()) - test.sample_ids.index(str(picture["alt"])) % 256) <= 2


def test_hard_cases_are_shown_by_reason(page: Page) -> None:
    table = read_hard_cases(Path("data/hard_cases"))[0]
    shown = page.section("hard")
    easy_first = table[table["low_margin"]].sort_values(["margin", "sample_id"])
    (figure,) = [
        figure
        for figure in shown.find_all("figure")
        if words(figure.figcaption or "").startswith("Two classes nearly as probable")
    ]
    assert page.names(figure) == easy_first.head(16)["sample_id"].tolist()
    rows = page.table(f"On the {int(table[list(REASONS)].any(axis=1).sum())} hard rows", shown)
    scores = read_json(Path("data/hard_cases/hard_cases.json"))["scores"]["kd-1"]["hard"]["metrics"]
    mine = next(row for row in rows if row["model"] == "kd-1")
    f1 = scores["macro_f1"]
    assert mine["macro-F1, hard"] == f"{f1['value']:.3f} {interval(f1)}"


def test_a_student_that_val_prefers_is_named_before_the_numbers(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Val rows prefer" not in tracked().top()
    better = logits_set(
        read_rows(Path("data/pack/dev")),
        ("val", "calib"),
        1,
        model="ce-2",
        dtype="float32",
        scale=3,
        skill=4.0,
    )
    whole = report.collect_facts

    def with_better(*arguments: Any) -> RunFacts:
        inputs = whole(*arguments)
        model = inputs.models["ce-2"]
        val = {"metrics": {"macro_f1": {"value": 0.99}}}
        evaluation = dataclasses.replace(
            model.evaluation, dev=better, metrics=model.evaluation.metrics | {"val": val}
        )
        return dataclasses.replace(
            inputs,
            models=inputs.models | {"ce-2": dataclasses.replace(model, evaluation=evaluation)},
        )

    monkeypatch.setattr(report, "collect_facts", with_better)
    assert "Val rows prefer ce-2 to the deployed kd-1" in tracked().top()


def test_calibration_oracle_and_memorised_rows_are_the_artifacts(page: Page) -> None:
    for key in (*TEACHERS, *STUDENTS):
        scaled = read_json(Path(f"data/calibration/{key}/reliabilitymetrics.json"))["everything"][
            "temperature_scaled"
        ]["metrics"]["nll"]
        row = page.row("Fitted on 280 calib rows", key)
        assert row["NLL"].endswith(f"→ {scaled['value']:.3f} {interval(scaled)}")
    methods = [row["method"] for row in page.table("Methods of calibration for kd-1")]
    assert sum("(chosen)" in method for method in methods) == 1
    bound = next(
        row
        for row in read_leaderboard(Path("data/leaderboard")).oracles
        if row["set"] == "everything"
    )["metrics"]["macro_f1"]
    shown = words(page.section("leaderboard"))
    assert f"would reach macro-F1 {bound['value']:.3f} (95 % CI {interval(bound)})" in shown
    known = read_json(Path("data/softlabels/ensemble_metrics.json"))["memorisation"][0]
    row = page.row("What teachers know by heart", known["model"])
    assert row["NLL train"] == f"{known['train']['nll']:.3f}"
    assert row["accuracy calib"] == f"{known['calib']['accuracy']:.1%}"


def test_no_table_has_two_heads_of_the_same_words_and_no_code_leaks_into_the_text(
    page: Page,
) -> None:
    assert len(page.tables()) > 20
    assert not re.search(r"\{'|\bnan\b|\bNone\b|\bUndefined\b", page.text)


def test_the_file_to_use_is_the_promoted_one_or_fp32_and_the_words_say_why(project: Path) -> None:
    top = written().top()
    assert "student.fp32.onnx" in top
    assert "int8 is not promoted: drop of macro-F1 is 0.03" in top
    assert "5,859 KiB" in top and "100.00 %" in top and "99.52 %" not in top
    record = Path("metrics/onnxpromotion.json")
    changed = (
        record.read_text(encoding="utf-8")
        .replace('"promoted": false', '"promoted": true')
        .replace("int8", "fp16")
    )
    record.write_text(changed, encoding="utf-8")
    top = written().top()
    assert "2,930 KiB" in top and "student.fp16.onnx" in top and "99.52 %" in top


def test_latency_is_shown_with_machine_protocol_and_verdict(page: Page) -> None:
    shown = page.section("latency")
    for text in (
        "int8 is not promoted: drop of macro-F1",
        "1,000 calls in 10 rounds",
        "640 × 480 pixels takes 7.5 ms on 1 thread (p95 8.5)",
        "from photo to answer: 9.5 ms on 1 thread with fp32 (p95 10.5).",
    ):
        assert text in words(shown)
    rows = page.table("Batches of 1", shown)
    alone = [row["file"] for row in rows if row["what"] == "network alone"]
    assert alone == ["reference", "kd-1 fp32", "kd-1 fp16"]
    assert list(rows[2].values())[2:] == [
        "1",
        "0.64",
        "1.00",
        "1.00",
        "1,562",
        "1.0",
        "1",
        "0.31",
        "1.25",
    ]
    (large,) = [
        fold
        for fold in shown.find_all("details")
        if words(found(fold.summary)) == "Larger batches: 8"
    ]
    assert len(page.table("Times of a whole batch", large)) == 6


def test_a_provisional_verdict_stands_out(project: Path) -> None:
    record = Path("metrics/onnxpromotion.json")
    record.write_text(
        record.read_text(encoding="utf-8").replace('"provisional": false', '"provisional": true'),
        encoding="utf-8",
    )
    warnings = written().section("latency").find_all(class_="warning")
    assert ["int8 is not promoted" in words(one) for one in warnings] == [True]


def test_every_model_has_its_reliability_and_confusion(page: Page) -> None:
    charts = [str(chart["aria-label"]) for chart in page.soup.find_all("svg", role="img")]
    captions = list(page.tables())
    for key in (*TEACHERS, *STUDENTS):
        assert f"Reliability of {key} on everything" in charts
        assert any(name.startswith(f"Confusion of {key} on everything") for name in captions)
    assert sum("below it the faces of the class" in name for name in captions) == 1


def test_bins_of_few_faces_are_not_drawn_and_dots_grow_with_their_faces(page: Page) -> None:
    points = pd.read_csv("data/calibration/kd-1/reliability.csv")
    points = points[(points["set"] == "everything") & points["stage"].isin(["raw", "scaled"])]
    sparse = (points["count"] > 0) & (points["count"] < 10)
    assert sparse.any(), "the data are to hold a sparse bin"
    chart = found(page.soup.find("svg", {"aria-label": "Reliability of kd-1 on everything"}))
    drawn = [
        (int(match[1].replace(",", "")), mark_size(title.parent))
        for title in chart.find_all("title")
        if (match := re.search(r"faces: ([\d,]+)", title.get_text()))
    ]
    assert sorted({count for count, _ in drawn}) == sorted(
        set(points.loc[points["count"] >= 10, "count"])
    )
    sizes = [size for _, size in sorted(drawn)]
    assert sizes == sorted(sizes)


def mark_size(mark: Any) -> float:
    """The radius of a dot: the first number of its path."""
    return float(re.findall(r"[\d.]+", mark["d"])[0])


def test_a_picture_of_two_data_sets_is_shown_once_among_the_mistakes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Pack.image
    monkeypatch.setattr(Pack, "image", lambda self, row: image(self, row // 70 * 70))
    for figure in written().section("mistakes").find_all("figure"):
        pictures = [str(picture["src"]) for picture in figure.find_all("img")]
        assert 0 < len(pictures) <= 3 and len(set(pictures)) == len(pictures)


def test_every_hard_face_is_on_the_sheet_once(page: Page) -> None:
    table = read_hard_cases(Path("data/hard_cases"))[0]
    hard = table[table[list(REASONS)].any(axis=1)]
    sheet = Page(SHEET)
    sheet.is_alone(("index.html#hard",))
    assert sorted(sheet.names(sheet.soup)) == sorted(hard["sample_id"])
    first = found(sheet.soup.find("img", alt=hard["sample_id"].iloc[0]))
    below = words(first.find_next("small"))
    assert all(
        (reason.replace("_", " ") in below) == bool(hard[reason].iloc[0]) for reason in REASONS
    )


def test_provenance_is_of_training_and_report_and_explains_the_plus(page: Page) -> None:
    row = page.row("What they were made with", "python")
    assert (row["training of kd-1"], row["this report"]) == ("–", platform.python_version())
    assert page.row("What they were made with", "torch")["training of kd-1"] == "2.9.9"
    assert all(row["commit"] == "0123abc" for row in page.table("Every training"))
    assert "A + after a commit" in words(page.section("provenance"))


def test_commit_of_the_report_has_a_plus_where_code_differs_and_not_for_what_the_run_writes(
    tmp_path: Path,
) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert surroundings(tmp_path)["commit"] is None
    for name in ("fer_core/a.py", "metrics/a.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "state")
    (tmp_path / "metrics/a.csv").write_text("2")
    assert surroundings(tmp_path)["commit"] == git("rev-parse", "HEAD")
    (tmp_path / "fer_core/a.py").write_text("2")
    assert surroundings(tmp_path)["commit"] == git("rev-parse", "HEAD") + "+"


def test_a_synthetic_run_says_so(project: Path) -> None:
    assert "embedded sample" not in written().text
    gate = Path("data/validation.json")
    gate.write_text(
        gate.read_text(encoding="utf-8").replace("rafdb_basic", "sample_rafdb"), encoding="utf-8"
    )
    assert "embedded sample" in written().top()


def crossed(rows_sha256: str) -> None:
    """Parameters and record of a cross-validation."""
    params = Path("params.yaml")
    params.write_text(f"{params.read_text()}\ncrossval: {{folds: 2}}\n")
    share = {"value": 0.5, "low": 0.25, "high": 0.75}
    parts = [{"rows": 300, "accuracy": 0.4}, {"rows": 320, "accuracy": 0.6}]
    record = {"model": "kd-1", "dev_rows_sha256": rows_sha256, "rows": 620, "groups": 60}
    record |= {"folds": 2, "accuracy": share, "macro_f1": share, "parts": parts}
    record["confusion"] = np.eye(7, dtype=int).tolist()
    record["test_rows_sha256"] = read_rows(Path("data/pack/test")).sha256
    write_json(Path("metrics/crossval.json"), record)


def test_the_estimate_of_a_cross_validation_stands_at_the_top_with_its_interval(
    project: Path,
) -> None:
    crossed(read_rows(Path("data/pack/dev")).sha256)
    page = tracked()
    lead = words(page.soup.select_one(".lead"))
    assert "620 faces of 60 people" in lead and "anywhere between 25% and 75%" in lead
    assert "reached 40 %, 60 %" in lead and "210 test faces alone" in lead
    checks = {words(item.b): item["class"] for item in page.soup.select(".checks li")}
    assert checks["620 faces in all"] == ["care"]


def test_a_cross_validation_of_other_faces_is_refused(project: Path) -> None:
    crossed("0" * 64)
    with pytest.raises(ArtifactError, match="rows of the cross-validation"):
        tracked()


def without(**changes: Any) -> dict[str, Any]:
    """Parameters and record of trainings that left data sets out."""
    params = Path("params.yaml")
    params.write_text(f"{params.read_text()}\ncross_dataset: {{left_out: [a_set]}}\n")

    def share(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    def cell(value: float) -> dict[str, Any]:
        return {"n": 140, "groups": 70, "accuracy": share(value), "macro_f1_present": share(value)}

    apart = {"difference": {"accuracy": share(-0.3), "macro_f1_present": share(-0.2)}}
    few = {"n": 9, "reason": "fewer than 100 test rows"}
    audit = {"test_clusters": 90, "excluded_train": 4, "excluded_val": 1, "remaining": 0}
    training = {"train_rows": 60, "val_rows": 20, "steps": 33, "selected_epoch": 4}
    record = {
        "dev_rows_sha256": read_rows(Path("data/pack/dev")).sha256,
        "test_rows_sha256": read_rows(Path("data/pack/test")).sha256,
        "seeds": 1,
        "cells": {
            "none": {"a_set": cell(0.81), "rest": cell(0.7), "few": few},
            "a_set": {
                "a_set": cell(0.51) | apart | {"without": "Fear"},
                "rest": cell(0.7) | apart,
                "few": few,
            },
        },
        "trainings": {
            "none-1": training | {"left_out": "none", "audit": audit | {"same_faces": 0}},
            "a_set-1": training | {"left_out": "a_set", "audit": audit | {"same_faces": 7}},
            "tiny_set-1": {"left_out": "tiny_set", "n": 9, "reason": "fewer than 100 test rows"},
        },
    } | changes
    write_json(Path("metrics/cross_dataset.json"), record)
    return record


def test_data_sets_left_out_are_a_matrix_with_numbers_and_audit_behind_a_click(
    project: Path,
) -> None:
    without()
    page = tracked()
    section = page.section("elsewhere")
    charts = section.select("svg.chart")
    assert len(charts) == 4
    shown = [words(text) for text in charts[0].find_all("text")]
    assert [shown.count(text) for text in (".81", ".51", "-.30", "-.20")] == [1, 1, 2, 0]
    framed = [one for one in charts[0].find_all("path") if one.get("stroke") == "var(--ink)"]
    assert len(framed) == 1
    rows = page.table("Data sets left out and tested on", section)
    shown = {(row["left out"], row["tested on"]): row for row in rows}
    assert shown["nothing", "a_set"]["accuracy"] == "0.810 0.710 to 0.910"
    assert shown["a_set", "a_set"]["accuracy less"] == "-0.300 -0.400 to -0.200"
    assert shown["a_set", "a_set"]["remark"] == "nobody shows Fear"
    assert shown["a_set", "few"]["remark"] == "fewer than 100 test rows"
    audit = page.row("The trainings, and the leak audit", "a_set-1", section)
    assert audit["train faces that left"] == "4" and audit["shared with a tested face"] == "0"
    told = words(section)
    assert "Of a_set 51% (-30 points, between -40 and -20)" in told and "One training each" in told
    assert "without a_set knows some of it all the same: 7 of its train faces" in told
    assert "tiny_set was not left out: fewer than 100 test rows (9)" in told
    assert "Other data" in words(page.soup.nav)
    folds = section.find_all("details")
    assert len(folds) == 2 and not any(fold.has_attr("open") for fold in folds)
    checks = {words(item.b): item["class"] for item in page.soup.select(".checks li")}
    assert checks["Faces from elsewhere cost much"] == ["care"]


def test_one_data_set_alone_is_said_in_a_sentence(project: Path) -> None:
    record = without(n=210, reason="there is only one data set to learn from")
    for part in ("seeds", "cells", "trainings"):
        record.pop(part)
    write_json(Path("metrics/cross_dataset.json"), record)
    section = tracked().section("elsewhere")
    assert "210 test faces: there is only one data set" in words(section)
    assert not section.find("svg")


def test_without_data_sets_left_out_the_page_says_nothing_of_them(page: Page) -> None:
    assert page.soup.find("section", id="elsewhere") is None
    assert "Other data" not in words(page.soup.nav)


def test_trainings_without_a_data_set_on_other_faces_are_refused(project: Path) -> None:
    without(test_rows_sha256="0" * 64)
    with pytest.raises(ArtifactError, match="rows of the trainings that leave a data set out"):
        tracked()


def test_an_entry_of_the_board_that_is_another_s_stands_in_its_row(page: Page) -> None:
    shown = page.section("leaderboard")
    rows = page.table("everything: 210 faces", shown)
    names = [row["model"] for row in rows]
    assert any(" = " in name for name in names), names
    scores = [tuple(list(row.values())[2:]) for row in rows]
    assert len(set(scores)) == len(scores)
