"""`fer live`: expressions in moving pictures; `score`, `replay` and `annotate` of sessions."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm
from typer.core import TyperGroup

from fer_cli.live import table
from fer_cli.live.drawing import drawn
from fer_cli.live.serving import serve
from fer_cli.live.setting import new_folder_for, prepare, read_rules, with_threshold
from fer_cli.predict.telling import tell_of_network, tell_the_law
from fer_cli.predict.threshold import Threshold
from fer_cli.predict.video_file import VideoOut
from fer_core.base.errors import DataError
from fer_core.base.files import sha256_file, write_json
from fer_core.base.logs import progress_off
from fer_core.base.signals import caught_signals
from fer_core.live.engine import Analysed
from fer_core.live.recorded import compare_sessions, read_session, score_session
from fer_core.live.replaying import ReplaySource, replayed_labels
from fer_core.live.sources import PacedSource, open_source
from fer_core.live.watching import Watch
from fer_core.predict.ready import default_model

__all__ = ["app"]

log = logging.getLogger(__name__)

Model = Annotated[
    Path | None,
    typer.Option(
        help="Exported ONNX file; default: this project's own student where it learned from photos "
        "of people, else the ready network."
    ),
]
DetectorFile = Annotated[
    Path | None,
    typer.Option(
        help="YuNet file; default: the one that came with the requirements.", envvar="FER_DETECTOR"
    ),
]
Bias = Annotated[Path | None, typer.Option(help="JSON: what to add to the logit of each class.")]
Rules = Annotated[
    Path | None,
    typer.Option("--spec", help="YAML of rules; default: live.yaml here, else its defaults."),
]
Out = Annotated[
    Path | None, typer.Option(help="New folder of the session; default: sessions/TIME.")
]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads of the network; 0: all cores.")]


class _Group(TyperGroup):
    """What is no name of a command is a source for `watch`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`fer live clip.mp4` means `fer live watch clip.mp4`."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["watch", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _live() -> None:
    """Tell expressions live: `fer live [SOURCE]` is `fer live watch [SOURCE]`."""


@app.command()
def watch(
    source: Annotated[
        str,
        typer.Argument(
            help="A camera's number, a video file, a folder of frames, or an rtsp or http address."
        ),
    ] = "0",
    headless: Annotated[
        bool, typer.Option("--headless", help="Only write the session; no page.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Keep the clean video in the session.")
    ] = False,
    out: Out = None,
    model: Model = None,
    detector: DetectorFile = None,
    logit_bias: Bias = None,
    threshold: Threshold = None,
    spec: Rules = None,
    threads: Threads = 1,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the page on this machine; 0: a free one.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page where there is a screen.")] = True,
    rate: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="Frames a second of a folder.")
    ] = None,
) -> None:
    """Watch a source: faces tracked, answers smoothed, a session written."""
    model = model or default_model()
    setting = prepare(model, read_rules(spec), detector, logit_bias, threads)
    setting = with_threshold(setting, threshold, model)
    tell_of_network(setting.predictor, model)
    tell_the_law()
    folder = new_folder_for(out)
    opened = open_source(source, rate)
    session = setting.watch(opened if headless or not opened.waits else PacedSource(opened), folder)
    session.writer.record(record)
    tally = table.Tally()
    if headless:
        for result in _progress(session):
            tally.add(result)
    else:
        for result in serve(session, port, browser):
            tally.add(result)
    typer.echo(tally.text(folder), nl=False)


@app.command()
def annotate(
    video: Annotated[str, typer.Argument(help="A video file or a folder of frames.")],
    out: Out = None,
    model: Model = None,
    detector: DetectorFile = None,
    logit_bias: Bias = None,
    threshold: Threshold = None,
    spec: Rules = None,
    threads: Threads = 1,
) -> None:
    """Write a session and, in it, `annotated.mp4`: the video with boxes, labels and bars."""
    model = model or default_model()
    setting = prepare(model, read_rules(spec), detector, logit_bias, threads)
    setting = with_threshold(setting, threshold, model)
    tell_of_network(setting.predictor, model)
    tell_the_law()
    folder, source = new_folder_for(out), open_source(video)
    if not source.waits:
        raise DataError("Only files can be annotated.", where=video)
    session, tally = setting.watch(source, folder), table.Tally()
    with VideoOut(folder / "annotated.mp4", source.rate or 30.0) as copy:
        for result in _progress(session):
            tally.add(result)
            copy.add(drawn(result))
    typer.echo(tally.text(folder), nl=False)


@app.command()
def score(
    sessions: Annotated[list[Path], typer.Argument(help="Folders of labelled sessions.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score labelled sessions; each gets a `score_results.json`."""
    found = {folder: score_session(read_session(folder)) for folder in sessions}
    for folder, result in found.items():
        write_json(folder / "score_results.json", result)
    text = (
        table.as_json({str(folder): result for folder, result in found.items()})
        if as_json
        else table.scores(found)
    )
    typer.echo(text, nl=False)


@app.command()
def replay(
    session: Annotated[Path, typer.Argument(help="Folder of a session with a video.")],
    model: Annotated[
        Path | None, typer.Option(help="Another network; default: the session's own.")
    ] = None,
    out: Out = None,
    detector: DetectorFile = None,
    logit_bias: Bias = None,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="Other rules; default: the session's own.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Session to compare with, such as another replay; default: SESSION."),
    ] = None,
    threads: Threads = 1,
) -> None:
    """Show a session's video, with its labels and times, to another network or other rules."""
    recorded = read_session(session)
    before = recorded if against is None else read_session(against)
    rules = recorded.rules if spec is None else read_rules(spec)
    setting = prepare(
        model or _own_model(recorded.facts, session), rules, detector, logit_bias, threads
    )
    folder = new_folder_for(out)
    watched = setting.watch(ReplaySource(recorded), folder)
    watched.before = replayed_labels(recorded, watched.writer)
    for _ in _progress(watched):
        pass
    after = read_session(folder)
    found = compare_sessions([before.of(after.numbers)], [after])
    write_json(folder / "score_results.json", score_session(after))
    write_json(
        folder / "comparison.json", {"before": str(before.folder), "after": str(folder)} | found
    )
    typer.echo(table.compared(found), nl=False)
    typer.echo(f"session: {folder}")


def _own_model(facts: dict[str, Any], session: Path) -> Path:
    """The network that a session was made with, if it is still the same.

    Raises:
        DataError: it is gone or another.
    """
    model = facts.get("model")
    path, wanted = (
        model.get(key) if isinstance(model, dict) else None for key in ("path", "sha256")
    )
    found = sha256_file(Path(path)) if isinstance(path, str) and Path(path).is_file() else "no file"
    if not isinstance(path, str) or found != wanted:
        raise DataError(
            "The network of this session is not there any more.",
            where=f"{session}: {path}",
            found=found,
            expected=wanted,
            remedy="name a network with --model",
        )
    return Path(path)


def _progress(session: Watch) -> Iterator[Analysed]:
    """Results with a bar; an interrupt ends the session where it is whole."""
    bar = tqdm(
        total=session.source.count,
        desc="live",
        unit="frame",
        leave=False,
        disable=progress_off(),
    )
    with bar, caught_signals(lambda number: session.stop("interrupted")):
        for result in session.results():
            yield result
            bar.update()
