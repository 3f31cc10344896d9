"""`fer manifest`: options narrow the export, pictures come along, counts add up."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_cli.data.manifest import app
from fer_core.base.errors import ArtifactError, DataError, ParamsError
from fer_core.base.params import read_params
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.manifest.table import write_manifest
from tests.dataset.assembly.built import build_manifest
from tests.dataset.tiny_stores import face, many, store

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources; of `a` one train face is the twin of a test face of `b`."""
    monkeypatch.chdir(tmp_path)
    clean = tmp_path / "data/clean"
    store(clean, "a", [*many("a", "train", 70), face("a/twin", "train", 3, 200)])
    store(
        clean,
        "b",
        [
            face(f"b/p.jpg#{n}", "test", n % 7, 200 + n, confidence=90 - 10.0 * n, group="b/p.jpg")
            for n in range(7)
        ],
    )
    shipped = read_params(ROOT / "profiles" / "sample.yaml")["manifest"]
    options = ManifestOptions.model_validate(shipped | {"sources": ["a", "b"], "test_fraction": {}})
    write_manifest(
        tmp_path / "data/manifest.parquet",
        build_manifest(open_stores(clean, ["a", "b"]), options, 1337),
    )
    (tmp_path / "params.yaml").write_text(
        "sets:\n  sure: {sources: [b], min_confidence: 65}\n  all: {}\n"
    )
    return tmp_path


def fer(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_export_writes_every_kept_row(project: Path) -> None:
    assert "wrote 77 rows to out.csv" in fer("export", "out.csv")
    assert len(rows(project / "out.csv")) == 77
    assert {row["split"] for row in rows(project / "out.csv")} == {"train", "val", "calib", "test"}


def test_options_narrow_the_export_and_may_be_repeated(project: Path) -> None:
    fer("export", "out.csv", "--set", "sure")
    assert [(row["face_id"], row["confidence"]) for row in rows(project / "out.csv")] == [
        ("", "90.0"),
        ("", "80.0"),
        ("", "70.0"),
    ]
    fer("export", "out.csv", "--split", "val", "--split", "test", "--source", "b", "--source", "a")
    assert {row["split"] for row in rows(project / "out.csv")} == {"val", "test"}
    fer("export", "out.csv", "--with-dropped", "--split", "dropped")
    assert [
        (row["image_path"], row["reason"], row["duplicate_of"]) for row in rows(project / "out.csv")
    ] == [("twin", "twin_in_test", "b/p.jpg#0")]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (["--set", "sur"], ParamsError, r"(?s)no such named set.*sur.*sure, all"),
        (["--source", "c"], ParamsError, r"(?s)--source.*a, b"),
        (["--split", "dropped"], ParamsError, "--split"),
        (["--set", "sure", "--with-dropped"], ParamsError, "no dropped rows"),
        (["--split", "val", "--source", "b"], DataError, "No row"),
    ],
)
def test_faulty_options_leave_an_old_export_as_it_is(
    project: Path, options: list[str], error: type[Exception], words: str
) -> None:
    (project / "out.csv").write_text("old")
    with pytest.raises(error, match=words):
        fer("export", "out.csv", *options, "--images", "faces")
    assert (project / "out.csv").read_text() == "old" and not (project / "faces").exists()


def test_pictures_are_written_where_the_csv_says(project: Path) -> None:
    assert "wrote 7 pictures" in fer(
        "export", "faces/list.csv", "--source", "b", "--images", "faces"
    )
    paths = [row["image_path"] for row in rows(project / "faces/list.csv")]
    assert paths == [f"b/p.jpg#{n}.png" for n in range(7)]
    assert all((project / "faces" / path).read_bytes().startswith(b"\x89PNG") for path in paths)
    with pytest.raises(DataError, match="empty folder"):
        fer("export", "faces/list.csv", "--images", "faces")


def test_without_a_manifest_the_remedy_is_to_run(project: Path) -> None:
    (project / "data/manifest.parquet").unlink()
    for command in (["export", "out.csv"], ["stats"]):
        with pytest.raises(ArtifactError, match="fer run"):
            fer(*command)


def test_stats_add_up_over_the_kept_rows(project: Path) -> None:
    lines = [line.split() for line in fer("stats").splitlines()]
    assert lines[0] == [
        "source",
        "split",
        "Angry",
        "Disgust",
        "Fear",
        "Happy",
        "Sad",
        "Surprise",
        "Neutral",
        "total",
    ]
    assert [line[:2] for line in lines[1:]] == [
        ["a", "train"],
        ["a", "val"],
        ["a", "calib"],
        ["a", "dropped"],
        ["b", "test"],
        ["all", "kept"],
    ]
    assert lines[4] == ["a", "dropped", "0", "0", "0", "1", "0", "0", "0", "1"]
    assert lines[-1] == ["all", "kept", *["11"] * 7, "77"]
