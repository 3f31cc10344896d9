"""Turn params.yaml of the working folder into parameters of a few steps, with dvc.yaml in step."""

from pathlib import Path

from fer_core.pipeline.running.smoke import reduce_project

if __name__ == "__main__":
    reduce_project(Path())
