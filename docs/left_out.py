"""docs/left_out.md, the options that the sample does without: `python docs/left_out.py`.

The texts are those of the models that check a parameter file. A test compares the file with them.
"""

from pathlib import Path

from fer_core.base.params import read_params
from fer_core.pipeline.schema.comments import left_out

FILE = Path(__file__).parent / "left_out.md"
SAMPLE = Path(__file__).parent.parent / "profiles" / "sample.yaml"


def page() -> str:
    """The text of the file."""
    options = left_out(read_params(SAMPLE)).items()
    return "".join(f"- `{name}`: {text}\n" for name, text in options)


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
