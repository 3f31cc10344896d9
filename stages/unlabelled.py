"""Stage `unlabelled`: the teachers' answers for faces without labels, so that students learn from
these as well. Only with a section `student.unlabelled`.

Reads the face stores, the manifest, the dev half of the pack, the teachers, the ensemble and the
soft labels; writes `data/unlabelled/`: `pack/` and `softlabels/` of the dev rows and these faces
together, and `report.json`, which says what was left out and why.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base import paths
from fer_core.base.errors import DataError
from fer_core.base.files import write_json
from fer_core.base.labels import CLASSES
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.assembly.packing import pack_half
from fer_core.dataset.manifest.table import read_manifest
from fer_core.dataset.pack.pack import Pack, PackOptions
from fer_core.dataset.pack.rows import read_rows
from fer_core.dataset.unlabelled.selection import UnlabelledOptions, select_unlabelled
from fer_core.evaluation.ensemble.ensemble import Ensemble, read_ensemble
from fer_core.evaluation.ensemble.teaching import TargetOptions, Teaching
from fer_core.evaluation.metrics.metrics import all_metrics
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.unlabelled.answers import Answered, answer
from fer_core.images.views import ViewOptions
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.logits.store import LogitsSet
from fer_core.outside.answering.halves import Asked, logits_from_elsewhere
from fer_core.outside.described.description import OUTSIDE, read_outside
from fer_core.outside.described.options import is_outside
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.softlabels import read_softlabels, write_softlabels
from stages.entry import run_stage

log = logging.getLogger(__name__)

_ROWS_OF = ("train", "val", "calib")


def main() -> None:
    """Choose the faces, ask the teachers, and put the answers beside the soft labels."""
    params = Params.load()
    options = params.section("student.unlabelled", UnlabelledOptions)
    assembled = params.section("manifest", ManifestOptions)
    stored = params.section("pack", PackOptions)
    stores = open_stores(paths.CLEAN, list(dict.fromkeys(assembled.sources + options.sources)))
    manifest = read_manifest(paths.MANIFEST)
    faces = select_unlabelled(manifest, stores, options.sources, assembled)
    kept = faces[faces["reason"] == ""]
    if kept.empty:
        raise DataError(
            "No face without a label may be learnt from.",
            where="params.yaml: student.unlabelled.sources",
            found=faces["reason"].value_counts().to_dict(),
            remedy="name data sets that do not show what the labelled ones show",
        )
    ensemble = read_ensemble(paths.ENSEMBLE)
    how = Teaching(
        params.section("targets", TargetOptions, default=TargetOptions()), kept["source"].tolist()
    )
    with TemporaryDirectory(prefix="fer-unlabelled-") as folder:
        pack_half(Path(folder) / "pack", kept.assign(label=np.int8(0)), stores, stored)
        logits = _asked(params, Pack.open(Path(folder) / "pack"))
    answered = answer(logits, ensemble, how, options.min_confidence)

    label_of = dict(zip(answered.sample_ids, answered.labels, strict=True))
    new = kept[kept["sample_id"].isin(label_of)]
    new = new.assign(label=new["sample_id"].map(label_of).astype(np.int8))
    joined = pd.concat([manifest[manifest["split"].isin(_ROWS_OF)], new], ignore_index=True)
    pack_half(paths.UNLABELLED / "pack", joined, stores, stored)
    _write_targets(params, answered, ensemble, how)

    left = faces["reason"].replace("", "kept").value_counts().to_dict()
    left["not_sure"], left["kept"] = len(kept) - len(new), len(new)
    answers = {name: int((new["label"] == index).sum()) for index, name in enumerate(CLASSES)}
    told = {"sources": options.sources, "faces": {why: int(n) for why, n in sorted(left.items())}}
    confidence = round(float(answered.confidence.mean()), 6)
    write_json(
        paths.UNLABELLED / "report.json", told | {"answers": answers, "confidence": confidence}
    )
    log.info("%d faces without labels are learnt from; all by reason: %s", len(new), told["faces"])


def _asked(params: Params, pack: Pack) -> dict[str, LogitsSet]:
    """Logits of each teacher for every face and view, as those of train rows are made."""
    precision = params.section("teacher.train.precision", str)
    threads = params.section("cpu_threads", int, default=0)
    views, settings = params.section("views", ViewOptions), load_settings()
    mirror = params.section("teacher.mirror", bool, default=False)
    wanted = Wanted(("train",), precision, "float16", views, threads, mirror)
    logits = {}
    for tag, entry in params.section("teachers", dict[str, Any]).items():
        if is_outside(entry):
            asked = Asked(("train",), params.section("preprocessing", Preprocessing), views)
            logits[tag] = logits_from_elsewhere(
                read_outside(paths.TEACHERS / tag / OUTSIDE, tag), pack, asked, settings, threads
            )
            continue
        model = paths.TEACHERS / tag / entry.get("stage", "a") / "model"
        logits[tag] = forward_rows(model, tag, pack, wanted, settings)
    return logits


def _write_targets(params: Params, answered: Answered, ensemble: Ensemble, how: Teaching) -> None:
    labelled, rows = read_rows(paths.DEV), read_rows(paths.UNLABELLED / "pack")
    soft = read_softlabels(paths.SOFTLABELS, labelled)
    both = answered.beside(soft, labelled, rows)
    bins = params.section("evaluation", EvaluationOptions).bins
    measured = all_metrics(both.logits[:, 0], rows.labels[rows.split("train")], bins)
    write_softlabels(
        paths.UNLABELLED / "softlabels",
        rows,
        both.logits,
        both.of_teachers,
        made_from={"preprocessing": soft.preprocessing_hash, "views": soft.views_hash},
        ensemble={
            "model_sha256": ensemble.model_sha256,
            "temperatures": ensemble.temperatures,
            **how.to_dict(ensemble),
        },
        metrics={"splits": {"train": {name: measured[name] for name in ("nll", "accuracy")}}},
    )


if __name__ == "__main__":
    run_stage(main)
