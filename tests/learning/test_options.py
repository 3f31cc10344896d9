import pytest
from pydantic import ValidationError

from fer_core.learning.losses import ce, kd
from fer_core.learning.options import TrainOptions

OPTIONS = TrainOptions(
    epochs=3, batch=8, lr=0.01, min_lr=0.001, weight_decay=0.0, lr_warmup_epochs=1, balance="none", grad_clip=0.0, precision="fp32"
)


def test_methods_own_learning_rate_replaces_that_of_all_and_nothing_else():
    own = kd.Options(temperature=2, alpha=0.5, lr=0.004)
    changed = OPTIONS.at_lr(own.lr)
    assert changed.lr == 0.004
    assert changed.model_dump() | {"lr": 0.01} == OPTIONS.model_dump()
    assert OPTIONS.at_lr(ce.Options(label_smoothing=0).lr) is OPTIONS


def test_learning_rate_below_the_least_one_is_refused():
    with pytest.raises(ValidationError, match="min_lr must not exceed lr"):
        OPTIONS.at_lr(0.0005)
    with pytest.raises(ValidationError):
        kd.Options(temperature=2, alpha=0.5, lr=0)
