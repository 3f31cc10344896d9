"""Parameters of export and of latency measurement: sections `deploy` and `latency`."""

from typing import Annotated, Literal

from pydantic import Field

from fer_core.base.params import Section, each_once
from fer_core.evaluation.metrics.options import Carry

__all__ = ["DeployOptions", "Int8Options", "LatencyOptions", "Precision"]

Precision = Literal["fp32", "fp16", "int8"]


class Int8Options(Section):
    """How the int8 file is made.

    Attributes:
        faces: calib rows that ranges are taken from and nodes are judged on, spread evenly over all
            of them; fewer where there are fewer.
        max_kl: mean KL divergence from the float network on these rows, in nats, below which no
            further node is left in float.
    """

    faces: Annotated[int, Field(ge=32)] = 512
    max_kl: Annotated[float, Field(gt=0)] = 0.005


class DeployOptions(Section):
    """What is exported, and how.

    Attributes:
        student: key of the student, such as "kd-1337".
        opset: ONNX operator set; 18 is the first that torch's exporter writes without conversion.
        precisions: one file each; "fp32" must be among them: the others are measured against it.
        licence: terms of use of the weights, written into every file; it follows the training data.
        int8: how the precision "int8" is made.
        teachers: tags of teachers that are exported too, as fp32.
        calibration: what every exported file carries: "chosen" is the method that cross-validation
            on calib rows chooses, which may scale and shift each class and so change the predicted
            class (the temperature where it chooses one temperature for each data set);
            "temperature" holds all files to one temperature.
    """

    student: Annotated[str, Field(min_length=1)]
    opset: Annotated[int, Field(ge=18, le=23)]
    precisions: Annotated[tuple[Precision, ...], each_once("fp32")]
    licence: Annotated[str, Field(min_length=1)]
    int8: Int8Options = Int8Options()
    teachers: tuple[str, ...] = ()
    calibration: Carry = "chosen"


class LatencyOptions(Section):
    """How much is timed.

    Attributes:
        rounds: how often all combinations are gone through in turn, so that a slow spell of the
            machine hits all alike.
        calls: timed calls of each combination in each round; rounds x calls >= 1000 makes p99 worth
            reading.
        batches: batch sizes.
        threads: thread counts; 0 means all that the process may use.
        warm_up: untimed calls of each combination before its timed ones, in each round.
    """

    rounds: Annotated[int, Field(ge=1)]
    calls: Annotated[int, Field(ge=1)]
    batches: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    threads: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    warm_up: Annotated[int, Field(ge=0)] = 10
