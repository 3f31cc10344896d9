"""Stage `latency`: how fast the exported files answer on this machine.

Reads `data/onnx`; writes `metrics/latencybenchmarks.csv`, a fact about one machine on which nothing else depends.
"""

import logging
import tempfile
from pathlib import Path

from fer_core.deploy.latency import Subject, export_reference, measure_latency, usable_providers, write_latency
from fer_core.deploy.options import LatencyOptions
from fer_core.deploy.predictor import Predictor
from fer_core.deploy.report import read_export_report
from fer_core.params import load_section
from fer_core.settings import load_settings
from stages.entry import run_stage

log = logging.getLogger(__name__)

ONNX = Path("data/onnx")
OUT = Path("metrics/latencybenchmarks.csv")


def main() -> None:
    """Time every exported file and the reference network in turns."""
    options: LatencyOptions = load_section("latency", LatencyOptions)
    records = read_export_report(ONNX / "onnxexportreport.json")
    subjects = [Subject(record["modelname"], record["precision"], ONNX / record["file"]) for record in records]
    preprocessing = Predictor(subjects[0].path).metadata.preprocessing
    with tempfile.TemporaryDirectory() as folder:
        reference = export_reference(Path(folder), preprocessing, records[0]["opset"])
        table = measure_latency([reference, *subjects], usable_providers(), options, load_settings().cpu_threads())
    write_latency(OUT, table)
    for row in table[table["scope"] == "crop"].itertuples():
        log.info("%s %s %s batch %d, %d threads: p50 %.2f ms", row.model, row.precision, row.provider, row.batch, row.threads, row.p50_ms)


if __name__ == "__main__":
    run_stage(main)
