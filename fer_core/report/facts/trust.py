"""How far a reader may trust the numbers: what was checked, and what to be careful about."""

from dataclasses import dataclass
from typing import Any

from fer_core.evaluation.comparison.histories import unfinished
from fer_core.evaluation.elsewhere.words import losses
from fer_core.report.facts.collect import RunFacts
from fer_core.report.facts.doubt import learned_words, overlaps
from fer_core.report.facts.preference import Preference

__all__ = ["Check", "trust_checks", "unfinished_methods"]

_LOST = 0.1
_NARROW = 0.03
"""Half of a 95 % interval of macro-F1 that still tells models apart."""


@dataclass(frozen=True)
class Check:
    """One reason to trust the numbers, or to be careful.

    Attributes:
        good: whether it is a reason to trust.
        title: in a few words.
        words: a sentence or two.
    """

    good: bool
    title: str
    words: str


def unfinished_methods(facts: RunFacts) -> str | None:
    """Methods whose val curve still rose when training ended, in words; None where all are flat."""
    scope = facts.scope
    curves = {
        method: [facts.models[key].history for key in scope.runs(method)]
        for method in scope.methods
    }
    return unfinished(curves)


def trust_checks(facts: RunFacts, preference: Preference) -> list[Check]:
    """Checks, those that ask for care first."""
    name = facts.scope.compare_set
    measured, rows = facts.deployed.of_file(name), facts.deployed.reliability[name]["rows"]
    f1 = measured["metrics"]["macro_f1"]
    half = (f1["high"] - f1["low"]) / 2
    ece, floor = measured["metrics"]["ece"]["value"], measured["floor"]["ece"]
    rising, refused = unfinished_methods(facts), facts.parity["refused"]
    seeds = len(facts.scope.seeds)
    sources = facts.validation["counts"]["by_source"]
    synthetic = all(name.startswith("sample_") for name in sources)
    checks: list[Check | None] = [
        Check(
            not synthetic,
            "Drawn faces" if synthetic else "Real faces",
            "All faces are drawn by the embedded sample: the numbers show that the pipeline works, "
            "not how well it reads people."
            if synthetic
            else "The faces are photographs of people, labelled by people.",
        ),
        Check(
            preference.warning is None,
            "The deployed student" if preference.warning else "The best student is deployed",
            preference.warning or "No other student does better on val rows.",
        ),
        Check(
            rising is None,
            "Short training" if rising else "Trained to the end",
            rising or "No val curve still rises where training ends.",
        ),
        Check(
            seeds > 1,
            f"{seeds} trainings of each method" if seeds > 1 else "One training of each method",
            "Tables show how much they differ."
            if seeds > 1
            else "How much another seed would change is not measured and in no interval.",
        ),
        Check(
            half <= _NARROW,
            f"{rows:,} test faces",
            f"They tell macro-F1 to within ±{half:.3f}. No weight, epoch or calibration was chosen "
            "on them.",
        ),
        _trial(facts),
        _taught(facts),
        _few(facts.crossval),
        _elsewhere(facts.cross_dataset),
        Check(
            ece <= floor["p95"],
            "Honest probabilities" if ece <= floor["p95"] else "Probabilities are off",
            f"Calibration error {ece:.3f}; on so few faces a perfectly calibrated model would show "
            f"about {floor['mean']:.3f}, and in 95 % of cases less than {floor['p95']:.3f}.",
        ),
        _subgroups(facts.trust["fairness"]),
        _corruptions(facts.trust["robustness"]),
        Check(
            not refused,
            f"Files refused: {len(refused)}" if refused else "Files answer like the network",
            f"Each of the {len(facts.exports)} files handed out was compared with the network on "
            f"all {facts.parity['rows_used']:,} test faces.",
        ),
        Check(
            True,
            "No leak found",
            "The gate has passed: no picture of a test face, nor a near copy, is in another split.",
        ),
    ]
    return sorted(filter(None, checks), key=lambda check: check.good)


def _trial(facts: RunFacts) -> Check | None:
    """That most faces were left out; None where none was."""
    words = "Of each class a few faces were packed (`pack.most_per_class`): the numbers say little."
    return Check(False, "A trial", words) if facts.scope.trial else None


def _taught(facts: RunFacts) -> Check | None:
    """Whether a teacher from elsewhere behind the deployed student may have learned the test faces;
    None where there is none.
    """
    scope = facts.scope
    if not (tags := facts.taught.get(scope.deployed)):
        return None
    doubtful = learned_words(overlaps(facts, scope.compare_set), tags)
    return Check(
        not doubtful,
        "Possibly contaminated" if doubtful else "Taught from elsewhere, not with test faces",
        f"It learned from teachers that were not trained here: {doubtful}. Its scores may be too "
        "good."
        if doubtful
        else f"Of {', '.join(tags)}, not trained here, it is stated that no test face was learned.",
    )


def _few(found: dict[str, Any] | None) -> Check | None:
    """How far cross-validation leaves accuracy open; None where there is none."""
    if found is None or "reason" in found:
        return None
    share = found["accuracy"]
    return Check(
        share["high"] - share["low"] <= 2 * _NARROW,
        f"{found['rows']:,} faces in all",
        f"With other photos of this kind accuracy could be anywhere between {share['low']:.0%} and "
        f"{share['high']:.0%}.",
    )


def _elsewhere(found: dict[str, Any] | None) -> Check | None:
    """What faces of a data set cost that was not learned from; None where none was left out."""
    if found is None or not (own := losses(found)):
        return None
    worst, cell = next(iter(own.items()))
    lost, much = cell["difference"]["accuracy"], cell["difference"]["accuracy"]["value"] < -_LOST
    return Check(
        not much,
        f"Faces from elsewhere cost {'much' if much else 'little'}",
        f"Of {len(own)} data sets left out of the training, {worst} loses most: accuracy "
        f"{lost['value']:+.3f} ({lost['low']:+.3f} to {lost['high']:+.3f})"
        f"{', of one training' if found['seeds'] == 1 else ''}.",
    )


def _subgroups(found: dict[str, Any]) -> Check | None:
    """Whether a subgroup is served worse than all others; None where none has numbers."""
    groups = {
        f"{attribute} {name}": group
        for attribute, parts in found["attributes"].items()
        for name, group in parts["groups"].items()
        if "difference" in group
    }
    if not groups:
        return None
    worse = [n for n, one in groups.items() if one["shown"] and one["difference"]["value"] < 0]
    lost = ", ".join(f"{name} {groups[name]['difference']['value']:+.3f}" for name in worse)
    return Check(
        not worse,
        "Some people are read worse" if worse else "No subgroup is shown to be read worse",
        f"Accuracy less that of all others: {lost}."
        if worse
        else f"{len(groups)} subgroups have enough faces for numbers.",
    )


def _corruptions(found: dict[str, Any]) -> Check | None:
    """How much accuracy corrupted pictures cost."""
    if "mce_excess" not in found:
        return None
    lost = found["mce_excess"]["value"]
    return Check(
        lost <= _LOST,
        "Worse pictures cost much" if lost > _LOST else "Worse pictures cost little",
        f"Corrupted test faces lose {lost:.3f} of accuracy on average; calibration error there is "
        f"{found['ece_mean']['value']:.3f}.",
    )
