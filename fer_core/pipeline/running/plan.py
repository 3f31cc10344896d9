"""What a run has to do: the stages that DVC finds changed, all that follows them, and what each of
them waits for.
"""

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.base.errors import ParamsError
from fer_core.base.reading import read_yaml
from fer_core.pipeline.dag.code import code_files, stage_module
from fer_core.pipeline.dag.reading import DVC_FILE

if TYPE_CHECKING:
    from fer_core.pipeline.checkout.workspace import Workspace

__all__ = ["Plan", "make_plan", "plan_of", "uses_torch"]


@dataclass(frozen=True)
class Plan:
    """Stages that may have to run.

    Attributes:
        needs: stage -> those of them that must have ended before it may start.
        rank: stage -> length of the longest chain of stages that waits for it; the higher, the
            sooner it should start.
        beside: stage -> number of stages that do not wait for it and that it does not wait for,
            whether they have to run or not: so it is the same when an interrupted run goes on.
    """

    needs: dict[str, set[str]]
    rank: dict[str, int]
    beside: dict[str, int]


def make_plan(workspace: "Workspace", targets: Sequence[str] = (), force: bool = False) -> Plan:
    """Ask DVC for the graph and for what changed.

    Args:
        workspace: the checkout.
        targets: stages (`student@kd-1337`) or all of one name (`student`), with everything they
            need; none means all.
        force: whether the targets run though nothing changed.

    Raises:
        ParamsError: no stage of that name.
    """
    upstream = workspace.upstream()
    asked = _named(targets, upstream) if targets else set(upstream)
    wanted = _with_needs(asked, upstream)
    changed = workspace.changed(wanted)
    if force:
        workspace.forced = asked
    return plan_of(upstream, wanted, changed | workspace.forced)


def plan_of(
    upstream: dict[str, set[str]], wanted: Collection[str], changed: Collection[str]
) -> Plan:
    """The plan for a graph.

    Args:
        upstream: stage -> the stages whose outs it reads.
        wanted: stages that were asked for and what they need.
        changed: those of them that would run even if no other did.
    """
    touched = {
        stage
        for stage in wanted
        if stage in changed or _with_needs({stage}, upstream) & set(changed)
    }
    needs = {stage: (_with_needs({stage}, upstream) - {stage}) & touched for stage in touched}
    rank = dict.fromkeys(touched, 0)
    # the stage that waits for most comes first
    for stage in sorted(touched, key=lambda name: len(needs[name]), reverse=True):
        for other in needs[stage]:
            rank[other] = max(rank[other], rank[stage] + 1)
    above = {stage: _with_needs({stage}, upstream) for stage in wanted}
    beside = {
        stage: len(
            [other for other in wanted if other not in above[stage] and stage not in above[other]]
        )
        for stage in touched
    }
    return Plan(needs, rank, beside)


def uses_torch(stage: str, root: Path = Path()) -> bool:
    """Whether a stage's code imports torch, directly or through other first-party modules: it is
    one that wants a device.
    """
    module = _modules(root).get(stage.partition("@")[0])
    return module is not None and any(_imports_torch(path) for path in code_files(module, root))


@cache
def _modules(root: Path) -> dict[str, str | None]:
    """The module that each stage of dvc.yaml runs."""
    stages = read_yaml(root / DVC_FILE)["stages"]
    return {name: stage_module(body.get("do", body)["cmd"], root) for name, body in stages.items()}


def _imports_torch(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        if any(name.split(".")[0] == "torch" for name in names):
            return True
    return False


def _named(targets: Sequence[str], known: Collection[str]) -> set[str]:
    found: set[str] = set()
    for target in targets:
        stages = {stage for stage in known if stage == target or stage.partition("@")[0] == target}
        if not stages:
            raise ParamsError(
                "There is no such stage.",
                where="dvc.yaml",
                found=target,
                expected=", ".join(sorted(known)),
            )
        found |= stages
    return found


def _with_needs(stages: Collection[str], upstream: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    open_ends = list(stages)
    while open_ends:
        stage = open_ends.pop()
        if stage not in found:
            found.add(stage)
            open_ends += upstream[stage]
    return found
