"""Stage `logits_test`: a teacher's logits of every test row.

Reads `data/pack/test` and the teacher's model; writes `data/logits/<tag>/test`.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.logits.forward import forward_rows
from fer_core.logits.store import write_logits
from fer_core.models.devices import distributed
from stages.entry import run_stage


def main(tag: str, model: Path) -> None:
    """Run the teacher TAG, saved in MODEL, over the test half."""
    pack = Pack.open(Path("data/pack/test"))
    precision = load_section("teacher.train.precision", str)
    logits = forward_rows(model, tag, pack, ("test",), None, precision, "float16", load_settings())
    distributed.on_first(lambda: write_logits(Path("data/logits") / tag / "test", logits))


if __name__ == "__main__":
    run_stage(main)
