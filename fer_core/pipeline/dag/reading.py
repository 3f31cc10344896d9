"""Reading dvc.yaml, with an error that says what restores it."""

from collections.abc import Container
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fer_core.base.errors import ParamsError
from fer_core.pipeline.dag.code import stage_module

__all__ = ["DVC_FILE", "parsed", "read_pipeline"]

DVC_FILE = Path("dvc.yaml")
_RESTORE = "correct it, or `git checkout -- dvc.yaml` and then `fer dag sync`"


def read_pipeline() -> str:
    """The text of dvc.yaml.

    Raises:
        ParamsError: there is none in the working folder, or it is no text.
    """
    try:
        return DVC_FILE.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        remedy = "run from the project's root; `git checkout -- dvc.yaml` restores it there"
        raise ParamsError(
            "The pipeline's file is missing.", where=DVC_FILE.absolute(), remedy=remedy
        ) from error
    except UnicodeDecodeError as error:
        raise ParamsError(
            "The pipeline's file is not text.", where=DVC_FILE, found=error, remedy=_RESTORE
        ) from error


def parsed(round_trip: YAML, text: str, root: Path, with_params: Container[str]) -> Any:
    """What the text of dvc.yaml holds.

    Args:
        round_trip: reads it.
        text: of dvc.yaml.
        root: folder of the code.
        with_params: stages of ours whose list of params is rewritten.

    Raises:
        ParamsError: not YAML, no stages, or a stage of ours without a list that is rewritten.
    """
    try:
        document = round_trip.load(text)
    except YAMLError as error:
        raise ParamsError(
            "The pipeline's file is not valid YAML.", where=DVC_FILE, found=error, remedy=_RESTORE
        ) from error
    stages = document.get("stages") if isinstance(document, dict) else None
    if not isinstance(stages, dict):
        raise ParamsError("The pipeline's file holds no stages.", where=DVC_FILE, remedy=_RESTORE)
    for stage, outer in stages.items():
        body = outer.get("do", outer) if isinstance(outer, dict) else None
        if not isinstance(body, dict) or "cmd" not in body:
            raise ParamsError(
                "A stage lacks its command.",
                where=f"{DVC_FILE}: stages.{stage}.cmd",
                remedy=_RESTORE,
            )
        if stage_module(body["cmd"], root) is None:
            continue
        lists = ["deps", "params"] if stage in with_params else ["deps"]
        for name in lists:
            found = body.get(name)
            if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
                raise ParamsError(
                    "A stage lacks a list of names.",
                    where=f"{DVC_FILE}: stages.{stage}.{name}",
                    found=found,
                    remedy=_RESTORE,
                )
    return document
