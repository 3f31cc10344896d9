"""`fer live` with a real exported network, and a detector that knows where the face is."""

import json
import logging
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from fer_cli.live import setting
from fer_cli.live.command import app as live_app
from fer_cli.main import app
from fer_core.base.errors import ArtifactError, DataError, FerError, ModelError, ParamsError
from fer_core.live.recorded import read_session
from fer_core.live.sources import VideoSource
from fer_core.predict.intended_use import EU_LAW_IN_SHORT, INTENDED_USE
from tests.exports import Exported, carrying_threshold, exported
from tests.live.acting import ActingDetector, write_clip

__all__ = ["exported"]

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_DETECTOR", raising=False)


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting, "YuNet", lambda *_: ActingDetector())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", [1] * 15 + [6] * 15)


def live(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["live", *map(str, arguments)])


def done(*arguments: object) -> str:
    result = live(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def failed(kind: type[FerError], *arguments: object) -> str:
    error = live(*arguments).exception
    assert isinstance(error, kind), error
    return str(error)


def _labelled(folder: Path) -> Path:
    """As a person would have labelled the clip on the page."""
    lines = (folder / "per_frame.csv").read_text().splitlines()
    for place, line in enumerate(lines[1:], start=1):
        cells = line.split(",")
        cells[2] = "Happy" if place <= 15 else "Sad"
        lines[place] = ",".join(cells)
    (folder / "per_frame.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_video_becomes_a_session(exported: Exported, acting: None, clip: Path) -> None:
    text = done(clip, "--headless", "--record", "--out", "s", "--model", exported.files["fp32"])
    assert "30 frames, 2.9 s" in text and "session: s" in text
    session = read_session(Path("s"))
    assert len(session.frames) == 30 and session.video.exists()
    assert session.facts["model"]["temperature"] == "1.7"
    assert session.facts["source"] == {"kind": "video", "name": str(clip)}
    assert not Path("sessions").exists()


def test_files_have_a_progress_bar(
    exported: Exported, acting: None, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (clip, "--headless", "--model", exported.files["fp32"], "--out")
    assert "30/30" not in live(*arguments, "s").stderr
    monkeypatch.setattr("fer_cli.live.command.progress_off", lambda: False)
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    told = live(*arguments, "t").stderr
    assert "live:" in told and "/30" in told


def test_the_same_video_gives_the_same_answers_again(
    exported: Exported, acting: None, clip: Path
) -> None:
    for name in "ab":
        done(clip, "--headless", "--out", name, "--model", exported.files["fp32"])
    one, other = (read_session(Path(name)).frames for name in "ab")
    assert one == other


def test_without_out_sessions_have_the_names_of_their_times(
    exported: Exported, acting: None, clip: Path
) -> None:
    for _ in range(2):
        done("watch", clip, "--headless", "--model", exported.files["fp32"])
    assert len(list(Path("sessions").iterdir())) == 2


def test_rules_and_bias_are_followed_and_kept(exported: Exported, acting: None, clip: Path) -> None:
    Path("live.yaml").write_text("smooth:\n  mode: original\n")
    Path("bias.json").write_text(
        json.dumps(
            dict.fromkeys(("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"), 0)
            | {"Sad": 50}
        )
    )
    done(
        clip,
        "--headless",
        "--out",
        "s",
        "--model",
        exported.files["fp32"],
        "--logit-bias",
        "bias.json",
    )
    session = read_session(Path("s"))
    assert session.rules.smooth.mode == "original" and session.facts["logit_bias"]["Sad"] == 50
    assert {frame.raw for frame in session.frames} == {4}
    Path("other.yaml").write_text("smooth:\n  tau: 1\n")
    assert "tau_s" in failed(ParamsError, clip, "--headless", "--spec", "other.yaml")
    shutil.copyfile(ROOT / "live.yaml", "other.yaml")
    done(
        clip, "--headless", "--out", "t", "--model", exported.files["fp32"], "--spec", "other.yaml"
    )


def test_a_threshold_is_that_of_the_option_or_the_networks_own(
    exported: Exported, acting: None, clip: Path
) -> None:
    arguments = (clip, "--headless", "--model", exported.files["fp32"], "--threshold")
    done(*arguments, 0.9, "--out", "s")
    smooth = read_session(Path("s")).rules.smooth
    assert smooth.enter == 0.9 and smooth.leave == pytest.approx(0.75)
    done(*arguments, 0.05, "--out", "r")
    assert read_session(Path("r")).rules.smooth.leave == 0
    assert "no threshold of its own" in failed(ModelError, *arguments, "auto")
    model = carrying_threshold(exported.files["fp32"], Path("own.onnx"), 1.0)
    done(clip, "--headless", "--model", model, "--threshold", "auto", "--out", "t")
    assert {frame.smoothed for frame in read_session(Path("t")).frames} == {-1}
    Path("live.yaml").write_text("smooth: {mode: original}\n")
    assert "know no threshold" in failed(ParamsError, *arguments, 0.9)
    assert live(*arguments, "most").exit_code == 2


def test_intended_use_and_law_are_told(
    exported: Exported, acting: None, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        done(clip, "--headless", "--out", "s", "--model", exported.files["fp32"])
    assert INTENDED_USE in caplog.text and EU_LAW_IN_SHORT in caplog.text


def test_scores_are_printed_and_written(exported: Exported, acting: None, clip: Path) -> None:
    done(clip, "--headless", "--out", "s", "--model", exported.files["fp32"])
    assert "no labelled segment is long enough" in done("score", "s")
    text = done("score", _labelled(Path("s")))
    assert "macro-F1, classes present" in text and "2 segments" in text
    found = json.loads(Path("s/score_results.json").read_text())
    assert found["scored"]["segments"] == 2 and found["timing"]["frames_per_second"] == 10
    assert json.loads(done("score", "s", "--json"))["s"] == found


def test_a_replay_compares_networks_on_the_same_frames_and_labels(
    exported: Exported, acting: None, clip: Path
) -> None:
    done(clip, "--headless", "--record", "--out", "s", "--model", exported.files["fp32"])
    _labelled(Path("s"))
    text = done("replay", "s", "--model", exported.files["fp16"], "--out", "r")
    assert "change" in text and "session: r" in text
    replayed, recorded = read_session(Path("r")), read_session(Path("s"))
    assert replayed.numbers == recorded.numbers
    assert [(f.time, f.manual) for f in replayed.frames] == [
        (f.time, f.manual) for f in recorded.frames
    ]
    found = json.loads(Path("r/comparison.json").read_text())
    assert found["segments"] == 2 and found["after"] == "r"
    Path("slow.yaml").write_text("smooth: {tau_s: 3}\n")
    done("replay", "s", "--spec", "slow.yaml", "--out", "q", "--against", "r")
    assert read_session(Path("q")).rules.smooth.tau_s == 3


def test_a_replay_with_the_session_s_own_network_wants_the_very_file(
    exported: Exported, acting: None, clip: Path, tmp_path: Path
) -> None:
    shutil.copyfile(exported.files["fp32"], tmp_path / "own.onnx")
    done(clip, "--headless", "--record", "--out", "s", "--model", "own.onnx")
    done("replay", "s", "--out", "r")
    shutil.copyfile(exported.files["fp16"], tmp_path / "own.onnx")
    assert "--model" in failed(DataError, "replay", "s", "--out", "q")
    Path("own.onnx").unlink()
    assert "no file" in failed(DataError, "replay", "s", "--out", "q")


def test_an_annotated_video_has_every_frame(exported: Exported, acting: None, clip: Path) -> None:
    done("annotate", clip, "--out", "s", "--model", exported.files["fp32"])
    frames = list(VideoSource(Path("s/annotated.mp4")).frames())
    assert len(frames) == 30
    assert frames[0].image.std() > 5, "boxes and bars are drawn on a grey frame"


def test_a_network_of_drawn_faces_says_so_once(
    exported: Exported,
    acting: None,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    arguments = [clip, "--headless", "--model", exported.files["fp32"]]
    with caplog.at_level(logging.WARNING):
        done(*arguments, "--out", "s")
        assert "drawn faces" not in caplog.text
        kind = "fer_core.predict.metadata.OnnxMetadata.knows_drawn_faces_only"
        monkeypatch.setattr(kind, True)
        done(*arguments, "--out", "t")
    assert caplog.text.count("knows drawn faces only") == 1


def test_faults_are_told_before_anything_is_written(
    exported: Exported, clip: Path, tmp_path: Path
) -> None:
    model = ["--headless", "--model", exported.files["fp32"]]
    assert "another program holds it" in failed(DataError, 93, *model)
    assert "no such source" in failed(DataError, "gone.mp4", *model)
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "cannot be read as a video" in failed(DataError, "empty.mp4", *model)
    assert "no such ONNX file" in failed(ModelError, clip, "--headless", "--model", "gone.onnx")
    assert "gone.onnx" not in failed(ModelError, clip, "--headless", "--model", clip)
    assert "not the detector" in failed(ArtifactError, clip, *model, "--detector", clip)
    assert "no detector file" in failed(ArtifactError, clip, *model, "--detector", "gone.onnx")
    assert "no folder of a live session" in failed(DataError, "score", tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("of somebody")
    assert "needs a new folder" in failed(DataError, clip, *model, "--out", "full")
    assert not Path("sessions").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_the_page_is_served_while_the_session_runs(exported: Exported, clip: Path) -> None:
    """The command as a user starts it; the page's side is played by this test."""
    command = [Path(sys.executable).parent / "fer", "live", clip, "--no-browser", "--out", "s"]
    process = subprocess.Popen(
        [*map(str, command), "--model", str(exported.files["fp32"])],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = (
        next(line for line in process.stderr if "http://" in line).split("page: ")[1].split()[0]
    )
    base, _, token = address.partition("?token=")
    with urllib.request.urlopen(f"{base}events?token={token}") as answer:
        assert b'"frame":' in next(line for line in answer if line.startswith(b"data"))
    request = urllib.request.Request(
        f"{base}stop?token={token}", b"{}", {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        assert json.loads(answer.read()) == {"folder": "s"}
    process.send_signal(2)
    text = process.communicate(timeout=20)[0]
    assert process.returncode == 0 and "session: s" in text
    assert json.loads(Path("s/session.json").read_text())["ended"] == "stopped on the page"


def test_options_that_the_page_of_live_names_exist() -> None:
    text = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text.partition("## Golden vectors")[0]))
    known = {"--help"}
    group = typer.main.get_command(live_app)
    for command in group.commands.values():  # type: ignore[attr-defined]
        known |= {name for parameter in command.params for name in parameter.opts}
    assert {"--headless", "--record", "--spec", "--against"} <= named <= known


def test_without_a_source_the_first_camera_is_meant(
    exported: Exported, acting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def opened(name: str, rate: float | None) -> None:
        asked.append(name)
        raise DataError("There is none.")

    monkeypatch.setattr("fer_cli.live.command.open_source", opened)
    failed(DataError, "--model", exported.files["fp32"])
    assert asked == ["0"]
