"""Stage `onnx_teacher`: a teacher as an fp32 ONNX file, for those that `deploy.teachers` names;
none by default.

Reads the teacher's model, `data/calibration/<key>` and `data/pack/test`. Writes
`data/onnx_teachers/<key>/`: `teacher.fp32.onnx`, which gives scaled cosine logits and calibrated
probabilities, `onnxexportreport.json` and `onnxparity.json`.
"""

from pathlib import Path

import torch

from fer_core.base import paths
from fer_core.base.files import new_folder
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.export.onnx.assembly import metadata_of
from fer_core.export.onnx.export import export_files
from fer_core.export.onnx.faces import reference_logits
from fer_core.export.onnx.gates import write_parity
from fer_core.export.onnx.parity import check_parity, drop_refused
from fer_core.export.onnx.report import write_export_report
from fer_core.models.networks.mirrored import load_answering
from stages.entry import run_stage


def main(key: str, model: Path) -> None:
    """Export the teacher KEY, saved in MODEL."""
    params = Params.load()
    opset = params.section("deploy.opset", int)
    licence = params.section("deploy.licence", str)
    threads = load_settings().cpu_threads()
    torch.set_num_threads(threads)
    mirror = params.section("teacher.mirror", bool, default=False)
    network, card = load_answering(model, mirror)
    carried = read_calibration(paths.CALIBRATION / key, card.weights_sha256).carried
    reference = reference_logits(network, Pack.open(paths.TEST), card.preprocessing, threads)
    metadata = metadata_of(card, carried, licence)
    with new_folder(paths.ONNX_TEACHERS / key) as folder:
        files = export_files(network, metadata, opset, ("fp32",), folder, "teacher")
        parity = check_parity(reference, carried, files, threads)
        shipped = drop_refused(files, parity)
        write_parity(folder / "onnxparity.json", parity, carried, reference.pack.rows)
        write_export_report(folder / "onnxexportreport.json", shipped, parity, metadata, key, opset)


if __name__ == "__main__":
    run_stage(main)
