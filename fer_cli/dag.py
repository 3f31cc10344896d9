"""`fer dag`: keep dvc.yaml true to params.yaml and to the code."""

import typer

from fer_core.base.files import write_text
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.dag.reading import DVC_FILE, read_pipeline
from fer_core.pipeline.schema.check import check_params, check_sources

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Keep dvc.yaml true to params.yaml and to the code.")


@app.callback()
def _group() -> None:
    """Keep dvc.yaml true to params.yaml and to the code."""


@app.command()
def sync() -> None:
    """Rewrite keys, fan-in lists and code deps of dvc.yaml."""
    params = read_params(PARAMS_FILE)
    check_params(params, PARAMS_FILE)
    check_sources(params, PARAMS_FILE)
    before = read_pipeline()
    after = synced(before, params)
    if after != before:
        write_text(DVC_FILE, after)
    typer.echo(
        "dvc.yaml rewritten"
        if after != before
        else "dvc.yaml is in step with params.yaml and the code"
    )
