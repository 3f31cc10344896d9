"""How dvc.yaml is written: short lists on one line, deps as paragraphs, an empty line between
stages, and the lines of a stage that is left out as comments.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from fer_core.pipeline.dag.code import is_code

__all__ = ["in_paragraphs", "lay_out", "uncovered"]

_HIDDEN = "#~"
"""Begins the lines of a stage that is left out: without teachers nothing can be fused."""
_WIDTH = 130  # of a list that a person need not read item by item
_BETWEEN = re.compile(r"(?<!^stages:)\n+(  \w+:\n|(?:metrics|plots|artifacts):\n)", re.M)
"""An empty line before every stage but the first, and before what follows the stages."""
_DEPS = re.compile(r"^( +)deps:\n((?:\1  - .*\n)+)", re.M)
"""A stage's deps as ruamel writes them, one on a line."""


def uncovered(text: str) -> str:
    """The text of dvc.yaml with the stages that are left out as stages again."""
    return re.sub(f"^{_HIDDEN}", "", text, flags=re.M)


def in_paragraphs(text: str, stages: Mapping[str, bool]) -> str:
    """The text of dvc.yaml, as ruamel writes it, laid out.

    Args:
        text: it.
        stages: those of this project, and whether they are left out; others stay as they are.
    """
    text = _BETWEEN.sub(r"\n\n\1", text)
    for stage, hides in stages.items():

        def rewritten(block: re.Match[str], hides: bool = hides) -> str:
            lines = _DEPS.sub(_wrapped, block[0])
            return re.sub("^(?=.)", _HIDDEN, lines, flags=re.M) if hides else lines

        text = re.sub(rf"^  {stage}:\n(?:    .*\n)+", rewritten, text, flags=re.M)
    return text


def lay_out(outer: Any) -> None:
    """Put short lists and mappings of a stage on one line each, so that a person sees the graph and
    not its punctuation.
    """
    body = outer.get("do", outer)
    keys = outer.get("foreach")
    if isinstance(keys, dict) and keys:
        outer["foreach"] = {key: _on_one_line(dict(item)) for key, item in keys.items()}
    elif isinstance(keys, list) and _fits("foreach", keys):
        outer["foreach"] = _on_one_line(list(keys))
    for name in ("params", "outs", "metrics"):
        entries = body.get(name, [])
        for entry in entries:
            if isinstance(entry, dict):
                for path, options in entry.items():
                    entry[path] = _on_one_line(dict(options))
        if name in body and all(isinstance(entry, str) for entry in entries):
            if _fits(name, entries):
                body[name] = _on_one_line(list(entries))
            else:
                body[name] = list(entries)


def _wrapped(block: re.Match[str]) -> str:
    """A list of deps as lines of data and lines of code, so that a stage fits on half a screen."""
    inside, entries = f"{block[1]}  ", re.findall(r"- (.*)\n", block[2])
    entries = [f"'{entry}'" if "${" in entry and entry[0] != "'" else entry for entry in entries]
    data = [entry for entry in entries if not is_code(entry.strip("'"))]
    code = [entry for entry in entries if is_code(entry.strip("'"))]
    lines = [
        line
        for some in (data, code)
        for line in textwrap.wrap(
            ", ".join(some), _WIDTH - len(inside), break_long_words=False, break_on_hyphens=False
        )
    ]
    joined = "\n".join(f"{inside}{line.rstrip(',')}," for line in lines).rstrip(",")
    return f"{block[1]}deps: [\n{joined}]\n"


def _fits(name: str, entries: Sequence[str]) -> bool:
    return len(f"      {name}: [{', '.join(entries)}]") <= _WIDTH


def _on_one_line(values: Any) -> Any:
    """The mapping or list as ruamel writes it on one line."""
    found = CommentedMap(values) if isinstance(values, dict) else CommentedSeq(values)
    found.fa.set_flow_style()
    return found
