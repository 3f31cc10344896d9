"""Turn params.yaml of the working folder into parameters of a few steps, on all faces."""

import yaml

from fer_core.base.files import write_text
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.pipeline.running.smoke import smoke_params

if __name__ == "__main__":
    params = smoke_params(read_params())
    del params["pack"]["most_per_class"]
    write_text(PARAMS_FILE, yaml.safe_dump(params, sort_keys=False))
