"""Adaptation to a person's own faces, and the labels that such a session gives itself."""

from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.params import parse_section
from fer_core.pipeline.schema.faults import refuse

__all__ = ["check_adapt"]


def check_adapt(params: dict[str, Any], path: Path) -> None:
    """Adaptation learns from listed data sets and is judged on sets of test rows."""
    adapt = params.get("adapt")
    own_labels = (params["clean"].get("webcam_session") or {}).get("self_label")
    if adapt is None:
        refuse(
            ["no section adapt"] if own_labels else [],
            "Self-labelled faces are for adaptation alone.",
            f"{path}: clean.webcam_session.self_label",
            remedy="add the section adapt, or take self_label out",
        )
        return
    named_sets = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], named_sets.NamedSets, path)
    for name, asked, known in (
        ("sources", adapt["sources"], params["manifest"]["sources"]),
        ("sets", adapt.get("sets") or [], named_sets.evaluated_sets(sets)),
    ):
        refuse(
            sorted(set(asked) - set(known)),
            "Adaptation names something that is not there.",
            f"{path}: adapt.{name}",
            expected=", ".join(known),
            remedy="correct the name, or declare it under manifest.sources or sets",
        )
    if packed := params["pack"].get("train_sets"):
        refuse(
            [one for one in adapt["sources"] if not any(sets[n].may_hold(one) for n in packed)],
            "Adaptation learns from a data set that is not packed.",
            f"{path}: adapt.sources",
            expected=f"sources of pack.train_sets: {', '.join(packed)}",
            remedy="add a named set of its train rows to pack.train_sets, or take that key out",
        )
    for section in ("teacher", "teacher_b", "student"):
        if not own_labels or section not in params:
            continue
        chosen = sets.get(params[section].get("set"), named_sets.SetFilter())
        refuse(
            [source for source in adapt["sources"] if chosen.may_hold(source)],
            "Self-labelled faces would be learnt from as if people had labelled them.",
            f"{path}: {section}.set",
            expected="a named set of train rows without these data sets",
            remedy="declare one under sets, or take clean.webcam_session.self_label out",
        )
