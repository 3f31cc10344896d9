"""The page's end: code and machines, the hashes that name the artifacts, and the parameters."""

from collections.abc import Mapping
from typing import Any

from fer_core.report.run.inputs import ReportInputs
from fer_core.report.shared.markup import Markup, section, table, tag

__all__ = ["provenance"]

_SURROUNDINGS = (
    "commit",
    "python",
    "system",
    "processor",
    "cores",
    "threads",
    "processes",
    "device",
    "cuda",
    "cudnn",
)
_PACKAGES = (
    "torch",
    "timm",
    "numpy",
    "pandas",
    "opencv-python-headless",
    "onnx",
    "onnxruntime-gpu",
    "onnxruntime",
    "dvc",
)
_PLUS = (
    "A + after a commit: tracked files differed from it. Of a training all tracked files count, "
    "with the metrics, plots and dvc.lock "
    "that a run itself rewrites; of this report only code and parameters."
)


def provenance(
    inputs: ReportInputs, params: Mapping[str, Any], made_with: Mapping[str, Any]
) -> Markup:
    """Code, machines, hashes and parameters.

    Args:
        inputs: everything that is shown.
        params: sections of params.yaml, shown as they are.
        made_with: what the report itself was made with, see `surroundings`.
    """
    first = inputs.deployed.evaluation
    weights = [
        [f"weights of {key}", _code(model.evaluation.test.model_sha256)]
        for key, model in inputs.models.items()
    ]
    files = [[record["file"], _code(record["sha256"])] for record in inputs.exports]
    rows = [
        ["manifest", _code(inputs.validation["manifest_sha256"])],
        ["rows of pack/dev", _code(first.dev.rows_sha256)],
        ["rows of pack/test", _code(first.test.rows_sha256)],
        ["preprocessing", _code(first.test.preprocessing_hash)],
        *weights,
        *files,
    ]
    lines = "\n".join(_yaml(dict(params)))
    return section(
        "provenance",
        "Provenance",
        tag("details", tag("summary", "Code and machines"), *_machines(inputs, made_with)),
        tag(
            "details",
            tag("summary", "Hashes (SHA-256)"),
            table(["what", "hash"], rows, "What the numbers are of"),
        ),
        tag("details", tag("summary", "Parameters"), tag("pre", lines, tabindex="0")),
    )


def _machines(inputs: ReportInputs, made_with: Mapping[str, Any]) -> list[Markup]:
    """The deployed student's training beside this report, then commit and device of every
    training.
    """
    both = [_flat(inputs.deployed.surroundings), _flat(made_with)]
    names = [name for name in (*_SURROUNDINGS, *_PACKAGES) if any(name in facts for facts in both)]
    facts = [[name, *(_text(facts.get(name)) for facts in both)] for name in names]
    every = []
    for key, model in inputs.models.items():
        found = _flat(model.surroundings)
        every.append([key, *(_text(found.get(name)) for name in ("commit", "device", "torch"))])
    return [
        table(
            ["what", f"training of {inputs.selection.deployed}", "this report"],
            facts,
            "What they were made with",
        ),
        table(["model", "commit", "device", "torch"], every, "Every training"),
        tag("p", _PLUS, class_="note"),
    ]


def _flat(surroundings: Mapping[str, Any]) -> dict[str, Any]:
    """Facts and package versions under one another, what is not known left out."""
    return {
        name: value
        for name, value in {**surroundings, **surroundings.get("packages", {})}.items()
        if value is not None
    }


def _text(value: object) -> Markup:
    return tag("td", "–" if value is None else str(value), class_="words")


def _code(value: str) -> Markup:
    return tag("td", value, class_="hash")


def _yaml(values: Mapping[str, Any], depth: int = 0) -> list[str]:
    """Block style, short lists and leaves on one line."""
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{'  ' * depth}{key}:", *_yaml(value, depth + 1)]
        elif isinstance(value, list):
            lines.append(f"{'  ' * depth}{key}: [{', '.join(map(_leaf, value))}]")
        else:
            lines.append(f"{'  ' * depth}{key}: {_leaf(value)}")
    return lines


def _leaf(value: Any) -> str:
    named = {True: "true", False: "false", None: "null"}
    return named[value] if value is None or isinstance(value, bool) else str(value)
