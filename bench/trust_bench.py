"""How far to trust the ready network: under corruption, when it had better not answer, and against
annotators' votes, on faces of FER2013 and FERPlus that no weight or epoch was chosen on.

Run: python -m bench.trust_bench --data FOLDER --work FOLDER --page PAGE.md
[--expressions FOLDER] (some minutes of two cores)

--data holds fer2013.csv(.gz) and fer2013new.csv. A clone with the profile of the ready network
makes its rows anew, and must come to the very rows that it was trained with; then the stages'
own measures are taken of the exported file. Nothing is trained. --expressions is a second domain,
a folder with a table of pictures and labels: how the thresholds that were fitted on calib rows do
on pictures of another kind.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import typer

from bench.fer2013_project import (
    DataFolder,
    PageFile,
    WorkFolder,
    both_label_sets,
    fer,
    lay_clone,
    rendered,
)
from bench.peers.sets import domain
from fer_cli.results.trust import render_trust
from fer_core.base import paths
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_text
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import setup_logging
from fer_core.base.params import Section, parse_section
from fer_core.base.settings import load_settings
from fer_core.dataset.manifest.table import read_clusters
from fer_core.dataset.pack.named_sets import SetFilter, select
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.ambiguity.ambiguity import AmbiguityOptions, measure_ambiguity
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.robustness.robustness import (
    Faces,
    RobustnessOptions,
    choose_rows,
    measure_robustness,
)
from fer_core.evaluation.selective.options import SelectiveOptions
from fer_core.evaluation.selective.report import fit, measure_selective
from fer_core.models.networks.card import read_card
from fer_core.pixels.decode import decode_rgb
from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model
from fer_core.predict.released import PROVENANCE

T = TypeVar("T", bound=Section)
LABELS, VOTES = "fer2013_publictest", "ferplus_publictest"


def main(
    data: DataFolder,
    work: WorkFolder,
    page: PageFile,
    expressions: Annotated[Path | None, typer.Option(help="a second domain")] = None,
) -> None:
    """Make the rows, measure the exported file on them, and write the page."""
    setup_logging()
    project = work.resolve() / "project"
    lay_clone(project, {}, both_label_sets(data))
    fer(project, "run", "pack")
    file = ready_model()
    ready = _opened(project, file)
    measures = {
        "robustness": (LABELS, _robustness),
        "selective": (LABELS, _selective),
        "ambiguity": (VOTES, _ambiguity),
    }
    if expressions is not None:
        measures["elsewhere"] = ("second domain", partial(_elsewhere, expressions))
    found = {}
    for name, (of_set, measure) in measures.items():
        found[name] = {"set": of_set} | measure(ready)
    title = "How far to trust the ready network"
    elsewhere = found.pop("elsewhere", None)
    texts = render_trust(title, _made(file), found, page)
    if elsewhere is not None:
        before, words, after = texts[page].partition("\n## Words")
        texts[page] = before + rendered("trust_elsewhere.md.j2", found=elsewhere) + words + after
    for path, text in texts.items():
        write_text(path, text)
        typer.echo(f"wrote {path}")


@dataclass(frozen=True)
class Ready:
    """The ready network, the clone's rows and what is asked of the answers.

    Attributes:
        predictor: its file.
        params: that made it.
        dev, test: the clone's faces.
        clusters: which of them belong together.
    """

    predictor: Predictor
    params: dict[str, Any]
    dev: Pack
    test: Pack
    clusters: dict[str, str]

    @property
    def evaluation(self) -> EvaluationOptions:
        return parse_section(
            "evaluation", self.params["evaluation"], EvaluationOptions, Path(PROVENANCE)
        )

    def trust(self, name: str, model: type[T]) -> T:
        """A section of `trust`."""
        return parse_section(f"trust.{name}", self.params["trust"][name], model, Path(PROVENANCE))

    def rows_of(self, name: str) -> np.ndarray:
        """Numbers of a named set's test rows."""
        chosen = parse_section(
            f"sets.{name}", self.params["sets"][name], SetFilter, Path(PROVENANCE)
        )
        return np.flatnonzero(select(self.test.rows.frame, chosen, name))

    @cached_property
    def calib(self) -> Answers:
        """To the calib rows, which several measures fit on."""
        return self.answers(self.dev, np.flatnonzero(self.dev.rows.frame["split"] == "calib"))

    def logits(self, images: list[np.ndarray]) -> np.ndarray:
        """Calibrated, as the file gives them."""
        answers = self.predictor.predict(images, batch=128)
        return self.predictor.metadata.calibrated(answers.logits)

    def answers(self, pack: Pack, rows: np.ndarray) -> Answers:
        """To some of a pack's rows."""
        ids = [pack.rows.sample_ids[i] for i in rows]
        labels = pack.rows.labels[rows].astype(np.int64)
        p = softmax(self.logits(_images(pack, rows)))
        return Answers(ids, labels, p, cluster_codes(ids, self.clusters))


def _opened(project: Path, file: Path) -> Ready:
    dev, test = Pack.open(project / paths.DEV), Pack.open(project / paths.TEST)
    card = read_card(file.parent / "model")
    if dev.rows.sha256 != card.rows_sha256:
        raise ArtifactError(
            "The clone's rows are not those that the network was trained with.",
            where=project,
            found=dev.rows.sha256,
            expected=card.rows_sha256,
            remedy="take the code and the profile that its provenance.json names",
        )
    return Ready(
        Predictor(file, threads=load_settings().cpu_threads()),
        read_json(file.parent / PROVENANCE)["params"],
        dev,
        test,
        read_clusters(project / paths.MANIFEST, [*dev.rows.sample_ids, *test.rows.sample_ids]),
    )


def _robustness(ready: Ready) -> dict[str, Any]:
    options, seed = ready.trust("robustness", RobustnessOptions), ready.params["seed"]
    rows, pack = ready.rows_of(LABELS), ready.test
    labels = pack.rows.labels[rows].astype(np.int64)
    ids = [pack.rows.sample_ids[i] for i in rows]
    chosen = choose_rows(ids, labels, options.rows, seed)
    ids = [ids[i] for i in chosen]
    faces = Faces(
        _images(pack, rows[chosen]), ids, labels[chosen], cluster_codes(ids, ready.clusters)
    )
    return measure_robustness(faces, ready.logits, options, ready.evaluation, seed)


def _selective(ready: Ready) -> dict[str, Any]:
    options = ready.trust("selective", SelectiveOptions)
    test = ready.answers(ready.test, ready.rows_of(LABELS))
    fitted = fit(ready.calib, options)
    seed = ready.params["seed"]
    return measure_selective(test, ready.calib, fitted, options, ready.evaluation, seed)


def _elsewhere(place: Path, ready: Ready) -> dict[str, Any]:
    """The faces that YuNet finds in pictures of another kind, cut out as `fer predict --detect`
    does, under the thresholds that calib rows gave.
    """
    options, seed = ready.trust("selective", SelectiveOptions), ready.params["seed"]
    pictures = domain(place, detector_file())["end_to_end"]
    faces = list(pictures.images("square"))
    there = [number for number, face in enumerate(faces) if face is not None]
    test = Answers(
        [f"{number:06d}" for number in there],
        pictures.labels[there].astype(np.int64),
        softmax(ready.logits([face for face in faces if face is not None])),
        pictures.clusters[there],
    )
    fitted = fit(ready.calib, options)
    measured = measure_selective(test, ready.calib, fitted, options, ready.evaluation, seed)
    return {"pictures": len(faces)} | measured


def _ambiguity(ready: Ready) -> dict[str, Any]:
    rows = ready.rows_of(VOTES)
    votes = np.array(list(ready.test.rows.frame["votes"].iloc[rows]), np.float64)
    return measure_ambiguity(
        ready.answers(ready.test, rows),
        votes.reshape(-1, N_CLASSES),
        ready.trust("ambiguity", AmbiguityOptions),
        ready.evaluation,
        ready.params["seed"],
    )


def _made(file: Path) -> str:
    """What was measured, as lines of Markdown."""
    metadata = Predictor(file, threads=1).metadata
    return "\n".join(
        [
            f"- network: {metadata.arch}, `models/{file.parent.name}/{file.name}`, sha256 "
            f"`{sha256_file(file)[:16]}`",
            f"- rows: those that it was made with, sha256 `{metadata.rows_sha256[:16]}`; test rows "
            "of PublicTest, thresholds fitted on calib rows",
            "- written by `python -m bench.trust_bench`",
            "",
        ]
    )


def _images(pack: Pack, rows: np.ndarray) -> list[np.ndarray]:
    ids = pack.rows.sample_ids
    return [decode_rgb(pack.image(int(row)), where=ids[row]) for row in rows]


if __name__ == "__main__":
    typer.run(main)
