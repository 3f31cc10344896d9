"""Stage `reference`: the plain network beside which `latency` times the student.

Writes `data/reference/`: timm's MobileNetV3-Large with random weights, for images of the student's
size, in single precision.
"""

from dataclasses import replace

from fer_core.base import paths
from fer_core.base.files import new_folder
from fer_core.base.params import Params
from fer_core.export.onnx.reference import write_reference
from fer_core.pixels.preprocessing import Preprocessing
from stages.entry import run_stage


def main() -> None:
    """Export the reference network."""
    params = Params.load()
    preprocessing = params.section("preprocessing", Preprocessing)
    # its model, Resolution, lies among the trainings, whose changes do not concern this stage
    own = params.section("student.preprocessing", dict[str, int], default={})
    with new_folder(paths.REFERENCE) as folder:
        write_reference(
            folder,
            replace(preprocessing, size=own.get("size", preprocessing.size)),
            params.section("deploy.opset", int),
        )


if __name__ == "__main__":
    run_stage(main)
