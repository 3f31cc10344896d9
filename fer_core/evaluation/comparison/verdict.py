"""What a comparison of two methods means, in words."""

from fer_core.evaluation.comparison.comparison import Difference, Pair
from fer_core.evaluation.metrics.bootstrap import Interval

__all__ = ["verdict"]

_ALPHA = 0.05


def verdict(pair: Pair) -> str:
    """What the numbers of a pair show and what they do not, one sentence after the other."""
    f1 = pair.differences["macro_f1"]
    parts = [
        f"On {pair.set_name}, {_macro_f1(pair)} ({_signed(f1.over_rows)}){_further_seeds(f1)}.",
        _nll(pair),
        _accuracy(pair),
    ]
    parts.append(f"n = {_rows(pair)}; {_seeds(len(pair.seeds))}.")
    if pair.family > 1:
        parts.append(
            f"The intervals are not adjusted for the {pair.family} comparisons made; Holm's p is."
        )
    parts.append(_trials(pair))
    if pair.rising:
        parts.append(
            f"Val macro-F1 still rose when training ended: {', '.join(pair.rising)}; with more "
            "epochs the order may change."
        )
    if pair.unequal:
        parts.append(
            f"Their budgets differ ({', '.join(pair.unequal)}), so what is shown is not the "
            "method's alone."
        )
    return " ".join(parts)


def _macro_f1(pair: Pair) -> str:
    found = pair.differences["macro_f1"].over_rows
    if not _shown(found):
        return f"no difference in macro-F1 between {pair.a} and {pair.b} is shown"
    return f"{pair.a} has a {'higher' if found.value > 0 else 'lower'} macro-F1 than {pair.b}"


def _further_seeds(found: Difference) -> str:
    """Whether what these seeds show would hold for others."""
    wider = found.over_seeds
    if wider is None:
        return ""
    each = ", ".join(f"{value:+.4f}" for value in found.by_seed)
    interval = f"seed by seed {each}; 95 % CI over seeds too {wider.low:+.4f} to {wider.high:+.4f}"
    if not _shown(found.over_rows):
        return f"; {interval}"
    return (
        f", and this holds beyond these seeds ({interval})"
        if _shown(wider)
        else f", but only with these seeds ({interval})"
    )


def _nll(pair: Pair) -> str:
    parts = []
    for name, words in (("nll", "Its NLL"), ("nll_scaled", "after temperature scaling it")):
        found = pair.differences[name].over_rows
        if _shown(found):
            moved = f"is {'higher (worse)' if found.value > 0 else 'lower (better)'}"
            parts.append(f"{words} {moved} ({_signed(found)})")
        else:
            parts.append(
                f"{'No difference in NLL' if name == 'nll' else 'after temperature scaling none'} "
                f"is shown ({_signed(found)})"
            )
    return f"{'; '.join(parts)}."


def _accuracy(pair: Pair) -> str:
    found = pair.differences["accuracy"].over_rows
    tested = f"McNemar p = {pair.p:.3g}, {pair.holm_p:.3g} after Holm"
    if pair.holm_p >= _ALPHA:
        return f"The accuracies are not shown to differ ({_signed(found)}; {tested})."
    return (
        f"The accuracies differ: {pair.a}'s is {'higher' if found.value > 0 else 'lower'} "
        f"({_signed(found)}; {tested})."
    )


def _rows(pair: Pair) -> str:
    if pair.pictures == pair.n:
        return f"{pair.n:,} rows"
    return (
        f"{pair.n:,} rows of {pair.pictures:,} pictures, which intervals and McNemar's test take "
        "as wholes"
    )


def _seeds(count: int) -> str:
    return (
        "one seed: other seeds may say otherwise"
        if count == 1
        else f"mean of {count} seeds; the first intervals are over test rows only"
    )


def _trials(pair: Pair) -> str:
    if pair.trials is None:
        return "How many settings of each were tried is not recorded."
    of_a, of_b = pair.trials
    return f"Settings tried on val rows: {of_a} of {pair.a}, {of_b} of {pair.b}."


def _shown(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.4f}, 95 % CI {interval.low:+.4f} to {interval.high:+.4f}"
