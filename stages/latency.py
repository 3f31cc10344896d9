"""Stage `latency`: how fast the exported files answer on this machine.

Reads `data/onnx` and `data/reference`; writes `metrics/latencybenchmarks.csv` and
`metrics/onnxpromotion.json` (is the int8 file worth using here?), facts about one machine.
"""

import logging
from pathlib import Path

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.export.latency.latency import measure_latency
from fer_core.export.latency.records import judge, write_latency, write_promotions
from fer_core.export.latency.subjects import file_subject, reference_subject, usable_providers
from fer_core.export.onnx.gates import read_parity
from fer_core.export.onnx.options import LatencyOptions
from fer_core.export.onnx.report import read_export_report
from fer_core.predict.detection import YuNet
from fer_core.predict.fetching import detector_file
from stages.entry import run_stage

log = logging.getLogger(__name__)

OUT = Path("metrics/latencybenchmarks.csv")
PROMOTION = Path("metrics/onnxpromotion.json")


def main() -> None:
    """Time every exported file and the reference network in turns."""
    params = Params.load()
    options = params.section("latency", LatencyOptions)
    records = read_export_report(paths.ONNX / "onnxexportreport.json")
    subjects = [
        file_subject(record["modelname"], record["precision"], paths.ONNX / record["file"])
        for record in records
    ]
    (reference,) = paths.REFERENCE.glob("*.onnx")
    table = measure_latency(
        [reference_subject(reference), *subjects],
        usable_providers(),
        options,
        load_settings().cpu_threads(),
        detector=YuNet(detector_file()),
    )
    promotions = judge(read_parity(paths.ONNX / "onnxparity.json"), table)
    write_latency(OUT, table)
    write_promotions(PROMOTION, promotions)
    for row in table[table["scope"] == "crop"].itertuples():
        log.info(
            "%s %s %s batch %d, %d threads: p50 %.2f ms",
            row.model,
            row.precision,
            row.provider,
            row.batch,
            row.threads,
            row.p50_ms,
        )
    for promotion in promotions:
        log.info("%s", promotion.reason)


if __name__ == "__main__":
    run_stage(main)
