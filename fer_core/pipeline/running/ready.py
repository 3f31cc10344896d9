"""Whether a run can begin: params.yaml is valid, and dvc.yaml fits it and the code."""

import hashlib
from pathlib import Path
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.files import write_text
from fer_core.base.params import PARAMS_FILE
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.dag.reading import DVC_FILE, read_pipeline
from fer_core.pipeline.schema.check import check_params, check_sources
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pipeline.schema.networks import check_networks

__all__ = ["check_ready"]

_CODE = Path(__file__).parents[3]
_FOUND_READY = Path(".dvc/tmp/fer_params_valid")


def check_ready(params: dict[str, Any]) -> None:
    """Check params.yaml with the options of all methods and all networks, and that dvc.yaml is in
    step.

    Methods and networks load torch, and a run with nothing to do must not wait for that. So
    DVC's own folder for temporary things remembers the last state that was found ready: a hash of
    params.yaml, dvc.yaml and all code.

    Raises:
        ParamsError: a value is not valid, or dvc.yaml is not in step.
    """
    text = read_pipeline()
    digest = hashlib.sha256(PARAMS_FILE.read_bytes() + b"\0" + text.encode())
    for folder in ("fer_cli", "fer_core", "stages"):
        for file in sorted((_CODE / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    known = _FOUND_READY.is_file() and _FOUND_READY.read_text("utf-8") == digest.hexdigest()
    if not known:
        check_params(params, PARAMS_FILE)
        check_methods(params, PARAMS_FILE)
        check_networks(params, PARAMS_FILE)
    check_sources(params, PARAMS_FILE)
    if known:
        return
    if synced(text, params) != text:
        raise ParamsError(
            "dvc.yaml does not fit params.yaml or the code.",
            where=DVC_FILE,
            remedy="run `fer dag sync`",
        )
    if _FOUND_READY.parents[1].is_dir():
        write_text(_FOUND_READY, digest.hexdigest())
