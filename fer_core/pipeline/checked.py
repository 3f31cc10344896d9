"""Checks of params.yaml that are made once for each state of it: those of the methods' options load
torch, and a run with nothing to do must not wait for that.

DVC's own folder for temporary things remembers the last state that was found valid: params.yaml and
the code that says what is valid.
"""

import hashlib
from pathlib import Path
from typing import Any

from fer_core.base.files import write_text
from fer_core.base.params import PARAMS_FILE
from fer_core.pipeline.schema import check_methods, check_params

__all__ = ["check_once"]

_CODE = Path(__file__).parents[2]
_DVC = Path(".dvc")
_VALID = _DVC / "tmp" / "fer_valid"


def check_once(params: dict[str, Any]) -> None:
    """Check params.yaml with the options of all methods, unless it was found valid as it is by this
    code.

    Raises:
        ParamsError: as `check_params` and `check_methods`.
    """
    state = _state()
    if _VALID.is_file() and _VALID.read_text(encoding="utf-8") == state:
        return
    check_params(params, PARAMS_FILE)
    check_methods(params, PARAMS_FILE)
    if _DVC.is_dir():
        write_text(_VALID, state)


def _state() -> str:
    """Hash of params.yaml and of every module that may say what is valid."""
    digest = hashlib.sha256(PARAMS_FILE.read_bytes())
    for folder in ("fer_cli", "fer_core"):
        for path in sorted((_CODE / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
