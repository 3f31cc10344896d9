"""Turn params.yaml of the working folder into parameters of a few steps."""

from pathlib import Path

from ruamel.yaml import YAML

from fer_core.pipeline.smoke import smoke_params

if __name__ == "__main__":
    yaml = YAML()
    path = Path("params.yaml")
    params = smoke_params(yaml.load(path.read_text(encoding="utf-8")))
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)
