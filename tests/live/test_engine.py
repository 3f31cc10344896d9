import numpy as np
import pytest

from fer_core.base.errors import ModelError
from fer_core.live.engine import Engine
from fer_core.live.frames import Frame
from fer_core.live.scoring import Scored, score
from fer_core.live.specification import Score, Specification
from fer_core.predict.detection import FaceBox
from fer_core.predict.predictor import Predictions
from tests.live.acting import BOX, ActingDetector, ActingPredictor, grey


def engine(detector: ActingDetector, rules: dict | None = None, **options: bool) -> Engine:  # type: ignore[type-arg]
    return Engine(ActingPredictor(), detector, Specification.from_dict(rules), **options)  # type: ignore[arg-type]


def frame(index: int, label: int = 3, rate: float = 30.0) -> Frame:
    return Frame(index, index / rate, grey(label))


def test_faces_have_places_the_main_one_first_and_the_others_from_left_to_right() -> None:
    boxes = [
        FaceBox(40, 5, 30, 30, 0.9),
        FaceBox(60, 5, 10, 10, 0.9),
        FaceBox(2, 30, 12, 12, 0.9),
        FaceBox(2, 5, 12, 12, 0.9),
    ]
    found = engine(ActingDetector([boxes])).analyse(frame(0)).faces
    assert [(face.place, face.box.left, face.box.top) for face in found] == [
        (1, 40, 5),
        (2, 2, 5),
        (3, 2, 30),
        (4, 60, 5),
    ]
    assert [face.track for face in found] == [1, 4, 3, 2]


def test_without_the_main_face_nobody_has_its_place() -> None:
    other = FaceBox(60, 40, 10, 10, 0.9)
    running = engine(ActingDetector([[BOX, other], [other], [BOX, other], []]))
    places = [[face.place for face in running.analyse(frame(i)).faces] for i in range(4)]
    assert places == [[1, 2], [2], [1, 2], []]
    assert running.analyse(frame(4)).main is None


def test_a_face_that_comes_back_in_time_keeps_its_state() -> None:
    running = engine(ActingDetector([[BOX], [], [], [BOX]]))
    results = [running.analyse(frame(i, label)) for i, label in enumerate((3, 3, 3, 4))]
    assert results[3].faces[0].track == 1 and results[3].faces[0].name == "Happy"
    assert results[3].faces[0].raw == 4


def test_state_of_faces_that_left_is_let_go() -> None:
    """An hour of passers-by takes no more than a minute of them."""
    passing = [[FaceBox(10 + 300 * (i % 2), 5, 20, 20, 0.9)] for i in range(60)]
    running = engine(ActingDetector(passing))
    for index in range(60):
        running.analyse(frame(index, rate=1.0))
    assert len(running._smoothers) == 1 and len(running._tracker.living) == 1


def test_most_faces_bounds_what_is_analysed() -> None:
    many = [FaceBox(4 * i, 5, 10 + i % 2, 10, 0.9) for i in range(15)]
    running = engine(ActingDetector([many]), {"detect": {"most_faces": 5}})
    assert len(running.analyse(frame(0)).faces) == 5


@pytest.mark.parametrize(("every", "expected"), [(0, 9), (1, 9), (3, 3), (20, 2)])
def test_files_are_searched_as_often_as_the_rules_say(every: int, expected: int) -> None:
    detector = ActingDetector()
    running = engine(detector, {"detect": {"every": every, "budget_ms": 1.0}})
    results = [running.analyse(frame(i)) for i in range(9)]
    assert detector.searched == expected
    assert sum(result.detect_ms is not None for result in results) == expected
    assert all(len(result.faces) == 1 for result in results)


def test_a_followed_face_is_searched_before_it_would_be_forgotten() -> None:
    detector = ActingDetector()
    running = engine(detector, {"detect": {"every": 10}, "track": {"keep_s": 0.5}})
    tracks = [running.analyse(Frame(i, i / 4, frame(i).image)).faces[0].track for i in range(8)]
    assert detector.searched == 8 and set(tracks) == {tracks[0]}


def test_a_camera_is_searched_as_often_as_the_budget_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Search takes 40 ms, the rest 10 of 20: every fourth frame."""
    clock = iter(range(10**9))
    now = [0.0]

    def tick() -> float:
        next(clock)
        return now[0]

    detector = ActingDetector()
    running = engine(detector, {"detect": {"budget_ms": 20.0}}, in_time=True)
    monkeypatch.setattr("fer_core.live.engine.time.perf_counter", tick)
    search, answers = running._search, running._answers

    def slow_search(one: Frame) -> None:
        now[0] += 0.040
        search(one)

    def slow_answers(*arguments: object) -> tuple:  # type: ignore[type-arg]
        now[0] += 0.010
        return answers(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "_search", slow_search)
    monkeypatch.setattr(running, "_answers", slow_answers)
    for index in range(20):
        running.analyse(frame(index))
    assert detector.searched == 5


def test_an_answer_that_is_not_finite_ends_the_session_with_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = engine(ActingDetector())

    def broken(images: list) -> Predictions:  # type: ignore[type-arg]
        raise ModelError("The network gives no finite answer.")

    monkeypatch.setattr(running._predictor, "predict", broken)
    with pytest.raises(ModelError, match="no finite answer"):
        running.analyse(frame(0))


def test_rules_may_change_between_frames() -> None:
    running = engine(ActingDetector())
    running.analyse(frame(0, 3))
    running.change_rules(Specification.from_dict({"smooth": {"tau_s": 0, "hold_s": 0}}))
    assert running.analyse(frame(1, 5)).faces[0].name == "Surprise"
    assert running.choose_main(1) and not running.choose_main(7)


def _scripted(seed: int) -> list[Scored]:
    """Faces shown for 1 to 3 s in frames of 1/30 s, answered with calibrated noise: about
    one answer in four is wrong, a fault lasts for some frames, and labels flip some 560 times a
    minute.
    """
    rng = np.random.default_rng(seed)
    running, scored, time = engine(ActingDetector()), [], 0.0
    noise = np.zeros(7)

    def noisy(images: list) -> Predictions:  # type: ignore[type-arg]
        noise[:] = 0.6 * noise + rng.normal(0, 1.0, 7)
        logits = noise.copy()
        logits[round(images[0].mean() / 30)] += 2.6
        row = np.exp(logits - logits.max())
        return Predictions((row / row.sum())[None].astype(np.float32), logits[None])

    running._predictor.predict = noisy  # type: ignore[method-assign,assignment]
    while time < 60:
        label, until = int(rng.integers(0, 7)), time + rng.uniform(1, 3)
        while time < until:
            found = running.analyse(Frame(len(scored), time, grey(label))).main
            assert found is not None
            shown = -1 if found.label is None else found.label
            rows = (tuple(found.probabilities), tuple(found.smoothed))
            scored.append(Scored(time, label, found.raw, shown, *rows))
            time += 1 / 30
    return scored


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smoothing_calms_a_scripted_clip_without_coming_late(seed: int) -> None:
    found = score(_scripted(seed), Score(resamples=0))
    raw, smoothed = found["flips_per_min"]["raw"], found["flips_per_min"]["smoothed"]
    assert smoothed["all"] <= 0.3 * raw["all"], (raw, smoothed)
    assert smoothed["scored"] <= 0.3 * raw["scored"]
    assert found["switch_delay_ms"]["smoothed"]["median"] <= 400
    blocks = found["metrics"]
    assert blocks["smoothed"]["macro_f1_present"] >= blocks["raw"]["macro_f1_present"]
