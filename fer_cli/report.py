"""`fer report`: the report with what belongs to this machine and checkout."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]

_DATA, _METRICS = Path("data"), Path("metrics")


def report(
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("build/report"),
) -> None:
    """Write the report of the present results once more, with what the tracked one leaves out so
    that it is the same everywhere: latency and the file to use here, what changed since the last
    commit, machine and packages of every training.
    """
    from fer_core.base.params import Params
    from fer_core.base.settings import project_root
    from fer_core.report.facts.collect import collect_facts, read_scope
    from fer_core.report.facts.here import collect_here
    from fer_core.report.run.publish import publish

    facts = collect_facts(_DATA, read_scope())
    publish(out, facts, Params.load(), _DATA, collect_here(_METRICS, project_root(), facts))
    typer.echo(out / "index.html")
