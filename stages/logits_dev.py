"""Stage `logits_dev`: a teacher's logits of every row of the dev half, and of the K stored views of
each train row.

Reads `data/pack/dev` and the teacher's model; writes `data/logits/<tag>/dev`. With `teacher.folds`
the train rows of each fold are run through the teacher that left them out.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import ViewOptions
from fer_core.logits.forward import forward_rows
from fer_core.logits.store import write_logits
from fer_core.models.devices import distributed
from stages.entry import run_stage


def main(tag: str, model: Path) -> None:
    """Run the teacher TAG, saved in MODEL, over the dev half."""
    pack = Pack.open(Path("data/pack/dev"))
    precision = load_section("teacher.train.precision", str)
    views = load_section("views", ViewOptions)
    folds = load_section("teacher.folds", int, default=0)
    fold_models = [
        model.parent.parent / "folds" / model.parent.name / str(fold) / "model"
        for fold in range(folds)
    ]
    logits = forward_rows(
        model,
        tag,
        pack,
        ("train", "val", "calib"),
        views,
        precision,
        "float16",
        load_settings(),
        fold_models,
    )
    distributed.on_first(lambda: write_logits(Path("data/logits") / tag / "dev", logits))


if __name__ == "__main__":
    run_stage(main)
