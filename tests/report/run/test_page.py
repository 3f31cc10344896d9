"""The page: complete, self-contained, escaped, and its numbers are the artifacts'."""

import base64
import dataclasses
import platform
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import scipy.special

from fer_core.base.files import read_json
from fer_core.base.labels import CLASSES
from fer_core.base.provenance import surroundings
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.boards.hard_cases import REASONS, read_hard_cases
from fer_core.evaluation.boards.leaderboard import read_oracles
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.report.run.inputs import ReportInputs
from fer_core.report.shared.charts import Interval, Line, forest, line_chart, ticks
from fer_core.report.shared.markup import Markup, table, tag
from stages import report
from tests.arrange_logits import logits_set
from tests.report.conftest import STUDENTS, TEACHERS

_VOID = {"meta", "br", "img"}


class Reader(HTMLParser):
    """Checks that elements are closed in order; keeps names, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def page(project: Path) -> tuple[str, Reader]:
    report.main()
    text = Path("data/report/index.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return text, reader


def test_nothing_comes_from_outside_and_nothing_runs(page: tuple[str, Reader]) -> None:
    text, reader = page
    assert not re.search(r"https?:|url\(|@import|javascript:|//\w+\.", text)
    assert not {name for name, _ in reader.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "image",
        "use",
        "foreignobject",
    }
    pictures = [attributes["src"] or "" for name, attributes in reader.tags if name == "img"]
    assert pictures and all(picture.startswith("data:image/jpeg;base64,") for picture in pictures)
    anchors = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    links = [attributes["href"] or "" for _, attributes in reader.tags if "href" in attributes]
    beside = {"../onnx/MODEL_CARD.md", "../datasheet/index.html", "hard_cases.html"}
    assert beside <= set(links) and all(
        link in beside or (link.startswith("#") and link[1:] in anchors) for link in links
    )
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)


def test_text_of_params_and_artifacts_is_escaped(page: tuple[str, Reader]) -> None:
    text, reader = page
    assert "<script>none" not in text and "<undecodable>" not in text
    assert any("<script>none</script> & free" in piece for piece in reader.text)
    assert "excluded: <undecodable> image" in reader.text


def test_everybody_and_every_section_is_there(page: tuple[str, Reader]) -> None:
    text, reader = page
    for anchor in (
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
    ):
        assert f'<section id="{anchor}"' in text
    for key in (*TEACHERS, *STUDENTS, "ensemble", *CLASSES, "student.fp16.onnx"):
        assert key in reader.text
    assert read_json(Path("data/comparison/comparison.json"))["pairs"][0]["verdict"] in reader.text
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text


def test_the_numbers_shown_are_the_artifacts(page: tuple[str, Reader]) -> None:
    text, reader = page
    recorded = read_json(Path("data/evaluation/kd-1/metrics.json"))["sets"]["everything"]
    f1 = recorded["metrics"]["macro_f1"]
    assert (
        f"kd-1 (mobilenet) reaches macro-F1 {f1['value']:.3f} (95 % CI {f1['low']:.3f} to "
        f"{f1['high']:.3f})" in text
    )
    assert "on everything, 210 test faces." in text
    for key in STUDENTS:
        for value in read_json(Path(f"data/evaluation/{key}/metrics.json"))["sets"]["everything"][
            "per_class_f1"
        ].values():
            assert f"{value:.3f}" in reader.text
    for row in recorded["confusion"]:
        for count in row:
            assert f"{100 * count / sum(row):.0f} %" in reader.text
    for point in read_json(Path("data/softlabels/ensemble_metrics.json"))["sharpness"]:
        assert f"{point['entropy']:.3f}" in reader.text
    assert "1.2e-02" in reader.text and "99.52 %" in reader.text
    assert (
        "a" * 8 not in text
        or read_json(Path("data/validation.json"))["manifest_sha256"] in reader.text
    )


def test_the_worst_mistakes_are_the_surest_wrong_answers(page: tuple[str, Reader]) -> None:
    text, _ = page
    test = read_evaluation(Path("data/evaluation/kd-1")).test
    temperature = read_json(Path("data/calibration/kd-1/calibration.json"))["temperature"]
    p = scipy.special.softmax(test.eval.astype(float) / temperature, axis=1)
    shown = text.partition('<section id="mistakes"')[2].partition("</section>")[0]
    for label, name in enumerate(CLASSES):
        wrong = [i for i in range(len(test)) if test.labels[i] == label and p[i].argmax() != label]
        figure = shown.partition(
            f"<b>{name}: {len(wrong)} of {(test.labels == label).sum()} wrong</b>"
        )[2].partition("</figure>")[0]
        found = re.findall(
            r'src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)".*?<small>(\w+) (\d+)%</small>',
            figure,
        )
        worst = sorted(wrong, key=lambda i: -p[i].max())[:6]
        assert [one[1] for one in found] == [test.sample_ids[i] for i in worst]
        assert [one[2:] for one in found] == [
            (CLASSES[p[i].argmax()], f"{100 * p[i].max():.0f}") for i in worst
        ]
        for picture, sample_id, *_ in found:
            grey = cv2.imdecode(
                np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_GRAYSCALE
            )
            assert abs(int(grey.mean()) - test.sample_ids.index(sample_id) % 256) <= 2


def test_hard_cases_are_shown_by_reason(page: tuple[str, Reader]) -> None:
    text, _ = page
    table = read_hard_cases(Path("data/hard_cases/hard_cases.parquet"))
    shown = text.partition('<section id="hard"')[2].partition("</section>")[0]
    worst = (
        table[table["low_margin"]]
        .sort_values(["margin", "sample_id"])
        .head(16)["sample_id"]
        .tolist()
    )
    first = shown.partition("Two classes nearly as probable")[2].partition("</figure>")[0]
    assert re.findall(r'alt="([^"]+)"', first) == worst
    assert f"On the {int(table[list(REASONS)].any(axis=1).sum())} hard rows" in shown
    low = read_json(Path("data/hard_cases/hard_cases.json"))["scores"]["kd-1"]["hard"]["metrics"][
        "macro_f1"
    ]["low"]
    assert f"{low:.3f} to" in shown


def test_a_student_that_val_prefers_is_named_before_the_numbers(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.main()
    assert 'class="warning"' not in Path("data/report/index.html").read_text(encoding="utf-8")
    better = logits_set(
        read_rows(Path("data/pack/dev")),
        ("val", "calib"),
        1,
        model="ce-2",
        dtype="float32",
        scale=3,
        skill=4.0,
    )
    whole = report.read_inputs

    def with_better(*arguments: Any) -> ReportInputs:
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

    monkeypatch.setattr(report, "read_inputs", with_better)
    report.main()
    page = Path("data/report/index.html").read_text(encoding="utf-8")
    warning = page.partition('<p class="warning"')[2].partition("</p>")[0]
    assert "ce-2" in warning and "kd-1" in warning


def test_calibration_methods_oracle_and_memorised_rows_are_the_artifacts(
    page: tuple[str, Reader],
) -> None:
    text, reader = page
    chosen = read_json(Path("data/calibration/kd-1/calibration.json"))
    assert any("(chosen)" in piece for piece in reader.text), chosen
    bound = next(
        row for row in read_oracles(Path("data/leaderboard")) if row["set"] == "everything"
    )["metrics"]["macro_f1"]
    assert (
        f"would reach macro-F1 {bound['value']:.3f} (95 % CI {bound['low']:.3f} to "
        f"{bound['high']:.3f})" in text
    )
    known = read_json(Path("data/softlabels/ensemble_metrics.json"))["memorisation"][0]
    assert f"{known['train']['nll']:.3f}" in text and f"{known['calib']['accuracy']:.1%}" in text
    assert "0123abc" in reader.text and "2.9.9" in reader.text


def test_no_table_has_two_heads_of_the_same_words_and_no_code_leaks_into_the_text(
    page: tuple[str, Reader],
) -> None:
    text, reader = page
    for head in re.findall(r"<thead>(.*?)</thead>", text):
        words = re.findall(r"<th[^>]*>([^<]*)</th>", head)
        assert len(set(words)) == len(words), words
    assert not re.search(r"\{'|\bnan\b|\bNone\b", " ".join(reader.text))


def test_the_file_to_use_is_the_promoted_one_or_fp32_and_the_words_say_why(project: Path) -> None:
    report.main()
    text = Path("data/report/index.html").read_text(encoding="utf-8")
    top = text.partition("<nav")[0]
    assert (
        "The file to use here is student.fp32.onnx. int8 is not promoted: drop of macro-F1 is 0.03"
        in top
    )
    assert "5,859 KiB<small>ONNX, fp32" in top and "100.00 %" in top and "99.52 %" not in top
    record = Path("metrics/onnxpromotion.json")
    changed = (
        record.read_text(encoding="utf-8")
        .replace('"promoted": false', '"promoted": true')
        .replace("int8", "fp16")
    )
    record.write_text(changed, encoding="utf-8")
    report.main()
    top = Path("data/report/index.html").read_text(encoding="utf-8").partition("<nav")[0]
    assert "2,930 KiB<small>ONNX, fp16" in top and "99.52 %" in top


def test_latency_is_shown_with_machine_protocol_and_verdict(page: tuple[str, Reader]) -> None:
    text, _ = page
    shown = text.partition('<section id="latency"')[2].partition("</section>")[0]
    assert (
        "int8 is not promoted: drop of macro-F1" in shown
        and "2 cores of Some &lt;CPU&gt;" in shown
        and "1,000 calls in 10 rounds" in shown
    )
    small, _, large = shown.partition("Larger batches: 8")
    rows = re.findall(r"<tr><th scope=\"row\">([^<]+)</th><td>([^<]+)</td>(.*?)</tr>", small)
    assert [row[:2] for row in rows[:3]] == [
        (name, "network alone") for name in ("reference", "kd-1 fp32", "kd-1 fp16")
    ]
    assert re.findall(r">([^<>]+)</td>", rows[2][2]) == [
        "1",
        "1",
        "0.64",
        "1.00",
        "1.00",
        "1,562",
        "0.31",
        "1.25",
    ]
    assert large.count('<tr><th scope="row"') == 6


def test_provisional_verdict_stands_out(project: Path) -> None:
    record = Path("metrics/onnxpromotion.json")
    record.write_text(
        record.read_text(encoding="utf-8").replace('"provisional": false', '"provisional": true'),
        encoding="utf-8",
    )
    report.main()
    shown = (
        Path("data/report/index.html")
        .read_text(encoding="utf-8")
        .partition('<section id="latency"')[2]
    )
    assert '<p class="warning">int8 is not promoted' in shown


def test_every_model_has_its_reliability_and_confusion_and_every_value_its_interval(
    page: tuple[str, Reader],
) -> None:
    text, reader = page
    for key in (*TEACHERS, *STUDENTS):
        assert f'aria-label="Reliability of {key} on everything"' in text
        assert any(piece.startswith(f"Confusion of {key} on everything") for piece in reader.text)
        measured = read_json(Path(f"data/calibration/{key}/reliabilitymetrics.json"))["everything"]
        scaled = measured["temperature_scaled"]["metrics"]["nll"]
        assert f"{scaled['low']:.3f} to {scaled['high']:.3f}" in reader.text
    assert sum("in brackets the faces of the class" in piece for piece in reader.text) == 1


def test_bins_of_few_faces_are_not_drawn_and_dots_grow_with_their_faces(
    page: tuple[str, Reader],
) -> None:
    text, _ = page
    points = pd.read_csv("data/calibration/kd-1/reliability.csv")
    points = points[(points["set"] == "everything") & points["stage"].isin(["raw", "scaled"])]
    assert ((points["count"] > 0) & (points["count"] < 10)).any(), (
        "the data are to hold a sparse bin"
    )
    chart = text.partition('aria-label="Reliability of kd-1 on everything"')[2].partition("</svg>")[
        0
    ]
    drawn = {
        int(count): float(radius)
        for radius, count in re.findall(r'r="([\d.]+)"[^>]*><title>[^:]+: (\d+) faces', chart)
    }
    assert sorted(drawn) == sorted(set(points.loc[points["count"] >= 10, "count"]))
    assert [drawn[count] for count in sorted(drawn)] == sorted(drawn.values())


def test_a_picture_of_two_data_sets_is_shown_once_among_the_mistakes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Pack.image
    monkeypatch.setattr(Pack, "image", lambda self, row: image(self, row // 70 * 70))
    report.main()
    text = Path("data/report/index.html").read_text(encoding="utf-8")
    figures = re.findall(
        r"<figure.*?</figure>",
        text.partition('<section id="mistakes"')[2].partition("</section>")[0],
    )
    for figure in figures:
        pictures = re.findall(r'src="([^"]+)"', figure)
        assert 0 < len(pictures) <= 3 and len(set(pictures)) == len(pictures)


def test_every_hard_face_is_on_the_sheet_once(page: tuple[str, Reader]) -> None:
    table = read_hard_cases(Path("data/hard_cases/hard_cases.parquet"))
    hard = table[table[list(REASONS)].any(axis=1)]
    text = Path("data/report/hard_cases.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert not reader.open and not re.search(r"https?:|url\(|<script", text)
    assert sorted(re.findall(r'alt="([^"]+)"', text)) == sorted(hard["sample_id"])
    words = text.partition(f'alt="{hard["sample_id"].iloc[0]}"')[2].partition("</small>")[0]
    assert all(
        (reason.replace("_", " ") in words) == bool(hard[reason].iloc[0]) for reason in REASONS
    )


def test_provenance_is_of_training_and_report_and_explains_the_plus(
    page: tuple[str, Reader],
) -> None:
    text, reader = page
    shown = text.partition('<section id="provenance"')[2]
    row = shown.partition('<th scope="row">python</th>')[2].partition("</tr>")[0]
    assert re.findall(r">([^<>]+)</td>", row) == ["–", platform.python_version()]
    assert any(piece.startswith("A + after a commit") for piece in reader.text)


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
    report.main()
    assert "embedded sample" not in Path("data/report/index.html").read_text(encoding="utf-8")
    gate = Path("data/validation.json")
    gate.write_text(
        gate.read_text(encoding="utf-8").replace("rafdb_basic", "sample_rafdb"), encoding="utf-8"
    )
    report.main()
    assert "embedded sample" in Path("data/report/index.html").read_text(encoding="utf-8")


def test_markup_escapes_text_and_attributes_but_not_itself() -> None:
    inner = tag("b", "<&>", 0, None, title='"quoted"')
    assert inner == '<b title="&quot;quoted&quot;">&lt;&amp;&gt;0</b>'
    assert tag("p", inner) == f"<p>{inner}</p>"
    assert isinstance(inner, Markup)
    assert "&lt;i&gt;" in table(["<i>"], [["a", 1.5]], "c")


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.31, 0.345), (1.9, 12.0), (0.5, 0.5), (-3.0, 1e-3), (0.0, 1e6)]
)
def test_ticks_are_round_and_cover_the_values(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low + 1e-9 and found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 12
    assert found == sorted(set(found))


def test_charts_stay_inside_their_frame() -> None:
    lines = [Line("a", [0, 1, 2], [0.1, 5.0, 3.0]), Line("b", [0], [2.5])]
    intervals = [
        Interval("a-very-long-name-of-a-model", "s0", 0.5, 0.4, 0.6),
        Interval("b", "s1", 0.7, 0.7, 0.7),
    ]
    for chart in (line_chart(lines, "t", "x", "y"), forest(intervals, "t", "x")):
        width, height = (
            float(value) for value in re.search(r'viewBox="0 0 (\S+) (\S+)"', chart).groups()
        )  # type: ignore[union-attr]
        for path in re.findall(r' d="([^"]*)"', chart):
            for x, y in re.findall(r"[ML](\S+) ([^L]+)", path.replace("L", " L").replace("M", "M")):
                assert 0 <= float(x) <= width and 0 <= float(y) <= height
