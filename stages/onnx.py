"""Stage `onnx`: the chosen student as ONNX files, measured against the trained network on every
test face; whether int8 is handed out is decided on val and calib faces.

Reads `data/students/<key>/model`, `data/calibration/<key>`, `data/selective`, both halves of the
pack, the data sets' descriptors and, where there are such, `metrics/crossval.json` and
`metrics/cross_dataset.json`; <key> is `deploy.student`. Where teachers from elsewhere taught, it
also reads `data/softlabels` and what is stated of them. Writes `data/onnx/`:
`student.<precision>.onnx`, `onnxexportreport.json`, `onnxparity.json` and `MODEL_CARD.md`.
"""

from typing import Any

import torch

from fer_core.base import paths
from fer_core.base.files import new_folder, read_json, write_text
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.crossval.crossval import CrossvalOptions
from fer_core.evaluation.metrics.readers import read_reliability_metrics
from fer_core.evaluation.selective.report import Fitted, read_fitted
from fer_core.export.card.licence import read_licence
from fer_core.export.card.model_card import CardFacts, model_card
from fer_core.export.onnx.assembly import metadata_of
from fer_core.export.onnx.export import export_network, float_networks, save_networks
from fer_core.export.onnx.faces import calib_faces, reference_logits
from fer_core.export.onnx.gates import write_parity
from fer_core.export.onnx.options import DeployOptions
from fer_core.export.onnx.parity import check_parity, drop_refused
from fer_core.export.onnx.quantise import quantise
from fer_core.export.onnx.report import write_export_report
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.mirrored import load_answering
from fer_core.outside.described.description import OUTSIDE, OutsideTeacher, read_outside
from fer_core.outside.described.options import is_outside
from fer_core.outside.described.taught import taught_by
from fer_core.predict.metadata import Thresholds
from stages.entry import run_stage


def main() -> None:
    """Export the student that section `deploy` names."""
    params = Params.load()
    options = params.section("deploy", DeployOptions)
    crossed = params.section("crossval", CrossvalOptions | None, default=None)
    left_out = params.section("cross_dataset", dict[str, Any], default={}).get("left_out")
    threads = load_settings().cpu_threads()
    torch.set_num_threads(threads)
    mirror = params.section("student.mirror", bool, default=False)
    network, card = load_answering(paths.STUDENTS / options.student / "model", mirror)
    calibrated = paths.CALIBRATION / options.student
    calibration = read_calibration(calibrated, card.weights_sha256)
    dev, test = Pack.open(paths.PACK / "dev"), Pack.open(paths.PACK / "test")
    reference = reference_logits(network, test, card.preprocessing, threads)
    held_out = dev.rows.split("val", "calib")
    chosen_on = reference_logits(network, dev, card.preprocessing, threads, held_out)
    thresholds = _thresholds(read_fitted(paths.SELECTIVE, card.weights_sha256))
    carried = calibration.carried
    metadata = metadata_of(card, carried, options.licence, thresholds)
    single = export_network(network, card.preprocessing.size, options.opset)
    networks = float_networks(
        single, [precision for precision in options.precisions if precision != "int8"]
    )
    quantisation = None
    if "int8" in options.precisions:
        quantised = quantise(
            single,
            calib_faces(dev, card.preprocessing, options.int8.faces, threads),
            carried,
            options.int8,
        )
        networks["int8"], quantisation = quantised.network, quantised.to_dict()
    sources = sorted({*dev.rows.frame["source"], *test.rows.frame["source"]})
    with new_folder(paths.ONNX) as folder:
        files = save_networks(networks, metadata, folder, "student")
        parity = check_parity(reference, carried, files, threads, chosen_on)
        shipped = drop_refused(files, parity)
        write_parity(folder / "onnxparity.json", parity, carried, test.rows)
        write_export_report(
            folder / "onnxexportreport.json",
            shipped,
            parity,
            metadata,
            options.student,
            options.opset,
            quantisation,
        )
        facts = CardFacts(
            name=options.student,
            card=card,
            metadata=metadata,
            calibration=calibration,
            reliability=read_reliability_metrics(calibrated),
            dev=dev.rows,
            test=test.rows,
            licences={name: read_licence(paths.SOURCES / f"{name}.json") for name in sources},
            files=shipped,
            parity=parity,
            quantisation=quantisation,
            taught=_taught(params, options.student),
            mirror=mirror,
            outside=_from_elsewhere(params, options.student, card),
            start=params.section("student.init", str | None, default=None),
            crossval=read_json(paths.METRICS / "crossval.json") if crossed else None,
            cross_dataset=read_json(paths.METRICS / "cross_dataset.json") if left_out else None,
        )
        write_text(folder / "MODEL_CARD.md", model_card(facts))


def _thresholds(fitted: Fitted) -> Thresholds:
    classes = {name: value or 0.0 for name, value in fitted.classes.items()}
    return Thresholds(fitted.risk, fitted.auto, fitted.miss, classes)


def _from_elsewhere(params: Params, student: str, card: ModelCard) -> list[OutsideTeacher]:
    """Teachers from elsewhere behind the student's soft labels."""
    teachers = params.section("teachers", dict[str, Any], default={})
    if not (tags := [tag for tag, entry in teachers.items() if is_outside(entry)]):
        return []
    taught = taught_by({student: vars(card)}, paths.SOFTLABELS)[student]
    return [read_outside(paths.TEACHERS / tag / OUTSIDE, tag) for tag in tags if tag in taught]


def _taught(params: Params, student: str) -> str:
    method = student.rpartition("-")[0]
    loss = params.section(f"student.{method}.method", str, default=method)
    return "labels and annotators' votes" if loss == "votes" else "labels alone"


if __name__ == "__main__":
    run_stage(main)
