"""Turn params.yaml of the working folder into parameters of a few steps."""

import yaml

from fer_core.base.files import write_text
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.pipeline.running.smoke import smoke_params

if __name__ == "__main__":
    write_text(PARAMS_FILE, yaml.safe_dump(smoke_params(read_params()), sort_keys=False))
