"""What a run has to do, from a graph and what changed in it."""

from pathlib import Path

import pytest

from fer_core.pipeline.running.plan import plan_of, uses_torch

UPSTREAM = {
    "clean@a": set(),
    "clean@b": set(),
    "manifest": {"clean@a", "clean@b"},
    "teacher@x": {"manifest"},
    "teacher@y": {"manifest"},
    "logits@x": {"teacher@x"},
    "ensemble": {"logits@x", "teacher@y"},
}


def test_what_follows_a_change_is_touched_and_nothing_else():
    plan = plan_of(UPSTREAM, set(UPSTREAM), {"teacher@x"})
    assert plan.needs == {
        "teacher@x": set(),
        "logits@x": {"teacher@x"},
        "ensemble": {"teacher@x", "logits@x"},
    }


def test_nothing_changed_means_nothing_to_do():
    assert plan_of(UPSTREAM, set(UPSTREAM), set()).needs == {}


def test_only_what_was_asked_for_runs():
    wanted = {"clean@a", "clean@b", "manifest", "teacher@y"}
    assert set(plan_of(UPSTREAM, wanted, {"clean@b", "teacher@x"}).needs) == {
        "clean@b",
        "manifest",
        "teacher@y",
    }


def test_longer_chains_rank_higher():
    plan = plan_of(UPSTREAM, set(UPSTREAM), {"clean@a"})
    assert plan.rank == {
        "clean@a": 4,
        "manifest": 3,
        "teacher@x": 2,
        "logits@x": 1,
        "teacher@y": 1,
        "ensemble": 0,
    }


def test_what_may_run_beside_a_stage_is_the_same_whatever_is_left_to_do():
    whole = plan_of(UPSTREAM, set(UPSTREAM), set(UPSTREAM)).beside
    assert whole == {
        "clean@a": 1,
        "clean@b": 1,
        "manifest": 0,
        "teacher@x": 1,
        "teacher@y": 2,
        "logits@x": 1,
        "ensemble": 0,
    }
    left = plan_of(UPSTREAM, set(UPSTREAM), {"teacher@x"}).beside
    assert left == {stage: whole[stage] for stage in ("teacher@x", "logits@x", "ensemble")}
    assert plan_of(
        UPSTREAM, {"clean@a", "clean@b", "manifest", "teacher@x"}, {"teacher@x"}
    ).beside == {"teacher@x": 0}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("teacher_a@rn18", True),
        ("student@kd-1", True),
        ("logits_dev@b3", True),
        ("predict@kd-1", True),
        ("evaluate@kd-1", False),
        ("manifest", False),
        ("report", False),
    ],
)
def test_stages_that_want_a_device_are_known_by_their_imports(stage, expected):
    assert uses_torch(stage, Path(__file__).parents[3]) is expected
