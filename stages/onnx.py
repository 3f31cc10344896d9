"""Stage `onnx`: the chosen student as ONNX files, proved equal to the trained network on every test face.

Reads `data/students/<key>/model`, `data/calibration/<key>` and `data/pack/test`, where <key> is `deploy.student`.
Writes `data/onnx/`: `student.<precision>.onnx`, `onnxexportreport.json` and `onnxparity.json`.
"""

import logging
from pathlib import Path

import numpy as np
import torch

from fer_core.data.bank import ImageBank
from fer_core.data.pack import Pack
from fer_core.deploy.export import export_files
from fer_core.deploy.metadata import OnnxMetadata
from fer_core.deploy.options import DeployOptions
from fer_core.deploy.parity import check_parity, write_parity
from fer_core.deploy.report import write_export_report
from fer_core.evaluation.calibration_report import read_calibration
from fer_core.files import new_folder
from fer_core.models.inference import logits_of
from fer_core.models.saved import load_model
from fer_core.params import load_section
from fer_core.settings import load_settings
from stages.entry import run_stage

log = logging.getLogger(__name__)

OUT = Path("data/onnx")
PACK = Path("data/pack/test")


def main() -> None:
    """Export the student that section `deploy` names."""
    options: DeployOptions = load_section("deploy", DeployOptions)
    threads = load_settings().cpu_threads()
    torch.set_num_threads(threads)
    network, card = load_model(Path("data/students") / options.student / "model")
    temperature = read_calibration(Path("data/calibration") / options.student, card.weights_sha256).temperature
    pack = Pack.open(PACK)
    bank = ImageBank(pack, range(len(pack)), card.preprocessing, None, threads, torch.device("cpu"))
    reference = logits_of(network, bank, np.arange(len(pack)), range(1), "fp32")[:, 0]
    metadata = OnnxMetadata(card.arch, "fp32", card.preprocessing, temperature, card.weights_sha256, card.rows_sha256, options.licence)
    with new_folder(OUT) as folder:
        files = export_files(network, metadata, options.opset, options.precisions, folder, "student")
        parity = check_parity(reference, temperature, pack, files, threads)
        write_parity(folder / "onnxparity.json", parity, temperature, pack.rows.sha256, len(pack))
        write_export_report(folder / "onnxexportreport.json", files, parity, metadata, options.student, options.opset)
    for precision, figures in parity.items():
        log.info(
            "%s: largest logit difference %.1e of %.3g, agreement %.4f", precision, figures.maxabsdiff, figures.scale, figures.agreement
        )


if __name__ == "__main__":
    run_stage(main)
