"""What a session is made with: network, detector and rules, and what `session.json` says of it."""

import logging
import platform
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from fer_cli.predict.threshold import least_confidence
from fer_core.base.errors import DataError, ParamsError
from fer_core.base.files import sha256_file
from fer_core.base.labels import CLASSES
from fer_core.base.machine import cpu_model, usable_cores
from fer_core.base.reading import read_yaml
from fer_core.live.engine import Detector, Engine
from fer_core.live.frames import Source
from fer_core.live.session import SessionWriter
from fer_core.live.specification import Specification
from fer_core.live.watching import Watch
from fer_core.predict.detection import YUNET_SHA256, YuNet
from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor, read_logit_bias

__all__ = ["Setting", "new_folder_for", "prepare", "read_rules", "with_threshold"]

_RULES = Path("live.yaml")
_PACKAGES = ("fer-dag", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """Network, detector and rules, ready to run.

    Attributes:
        predictor: with the bias, where there is one.
        detector: finds faces.
        rules: of the session.
        facts: what `session.json` says of them and of the machine.
    """

    predictor: Predictor
    detector: Detector
    rules: Specification
    facts: dict[str, Any]

    def watch(self, source: Source, folder: Path) -> Watch:
        """A session of a source that is written to a folder.

        Raises:
            DataError: the folder holds a session already.
        """
        facts = self.facts | {"source": {"kind": source.kind, "name": source.name}}
        writer = SessionWriter(folder, facts, self.rules)
        engine = Engine(self.predictor, self.detector, self.rules, in_time=not source.waits)
        return Watch(source, engine, writer)


def read_rules(path: Path | None) -> Specification:
    """The rules of a file; without one those of `live.yaml` here, or the defaults.

    Raises:
        ParamsError: not YAML, or rules that do not fit.
    """
    if path is None and not _RULES.is_file():
        return Specification()
    path = path or _RULES
    return Specification.from_dict(read_yaml(path, "file of rules"), path)


def prepare(
    model: Path,
    rules: Specification,
    detector: Path | None = None,
    logit_bias: Path | None = None,
    threads: int = 1,
) -> Setting:
    """Load everything, before anything is opened or written.

    Raises:
        FerError: model, detector or bias are missing or not what they must be.
    """
    bias = None if logit_bias is None else read_logit_bias(logit_bias)
    predictor = Predictor(model, threads=threads, logit_bias=bias)
    yunet = YuNet(detector or detector_file(), rules.detect.score, rules.detect.overlap)
    return Setting(predictor, yunet, rules, _facts(model, predictor, bias))


def with_threshold(setting: Setting, threshold: float | str | None, model: Path) -> Setting:
    """Labels given from a confidence on, whatever their class, and taken back as far below it as
    the rules have it.

    Args:
        setting: with the rules.
        threshold: the confidence; "auto" is the model's own, None changes nothing.
        model: its file.

    Raises:
        ModelError: it has no threshold of its own.
        ParamsError: the rules know no confidence.
    """
    if threshold is None:
        return setting
    smooth = setting.rules.smooth
    if smooth.mode != "time":
        raise ParamsError(
            "Frames that vote know no threshold.",
            where="--threshold",
            found=f"smooth.mode: {smooth.mode}",
            expected="smooth.mode: time",
            remedy="leave --threshold out, or take rules of mode time",
        )
    least = least_confidence(threshold, setting.predictor, model)
    leave = max(0.0, least - (smooth.enter - smooth.leave))
    changes = {"smooth": {"enter": least, "enter_of": {}, "leave": leave}}
    return replace(setting, rules=setting.rules.changed(changes))


def _facts(model: Path, predictor: Predictor, bias: np.ndarray | None) -> dict[str, Any]:
    metadata = predictor.metadata
    return {
        "model": {
            "name": f"{metadata.arch} {metadata.precision}",
            "path": str(model),
            "sha256": sha256_file(model),
            "classes": list(CLASSES),
            **{key: value for key, value in metadata.to_props().items() if key != "labels"},
        },
        "detector": {"name": "yunet", "sha256": YUNET_SHA256},
        "logit_bias": None if bias is None else dict(zip(CLASSES, map(float, bias), strict=True)),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": cpu_model(),
            "cores": usable_cores(),
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def new_folder_for(out: Path | None) -> Path:
    """The folder that was asked for, else a new one below `sessions/` that is named by the time.

    Raises:
        DataError: it is a file, or holds something already.
    """
    if out is None:
        start = datetime.now().strftime("%Y%m%d-%H%M%S")
        names = (
            Path("sessions") / f"{start}{end}" for end in ("", *(f"-{i}" for i in range(2, 99)))
        )
        out = next(name for name in names if not name.exists())
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            "A session needs a new folder.", where=out, remedy="give another one to --out"
        )
    return out
