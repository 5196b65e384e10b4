"""Several views taken together: what they agree on counts for more, and what one says twice counts once."""

import math
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import picture
from faceblur import detectors
from faceblur.calibration import log_odds, logit, probability
from faceblur.detectors import null
from faceblur.detectors.base import FLOOR, OneByOne, Rows
from faceblur.detectors.ensemble import Ensemble, fuse
from faceblur.domain import Box, Detection
from faceblur.errors import UsageError
from faceblur.images import Image

HERE, NEARLY, THERE = (10.0, 10.0, 50.0, 50.0), (12.0, 10.0, 52.0, 50.0), (60.0, 10.0, 90.0, 40.0)
Said = list[tuple[tuple[float, float, float, float], float]]  # boxes and scores


class Fixed(OneByOne):
    """Finds the same in every picture."""

    def __init__(self, name: str, said: Said, kind: str = "face") -> None:
        super().__init__(name)
        self.kind = kind
        self._rows = np.array([[*box, score] for box, score in said], dtype=np.float64).reshape(-1, 5)

    def rows(self, image: Image) -> Rows:
        return self._rows.copy()


def fused(*members: Said) -> list[list[float]]:
    """What is left of what each member says, with probabilities for scores; best first."""
    rows = np.array([[*box, p] for said in members for box, p in said], dtype=np.float64).reshape(-1, 5)
    whose = np.array([i for i, said in enumerate(members) for _ in said], dtype=np.int64)
    return sorted(fuse(rows, whose, len(members)).tolist(), key=lambda row: (-row[4], row[:4]))


def scores(*members: Said) -> list[float]:
    return [row[4] for row in fused(*members)]


def detect(*members: Said, image: Image | None = None) -> list[Detection]:
    ensemble = Ensemble("together", [Fixed(f"m{i}", said) for i, said in enumerate(members)])
    [found] = ensemble.detect([picture(96, 64) if image is None else image])
    return found


# Fusing


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_one_member_alone_says_counts_for_its_share(count: int) -> None:
    assert fused([(HERE, 0.8)], *[[]] * (count - 1)) == [[*HERE, pytest.approx(0.8 / count)]]


def test_what_two_members_say_counts_for_both() -> None:
    assert scores([(HERE, 0.8)], [(NEARLY, 0.6)]) == pytest.approx([0.7])


def test_a_second_member_never_makes_a_thing_less_likely() -> None:
    assert scores([(HERE, 0.8)], [(NEARLY, 0.01)]) > scores([(HERE, 0.8)], [])


def test_what_a_member_says_twice_of_one_thing_counts_once() -> None:
    assert scores([(HERE, 0.8), (NEARLY, 0.7)], []) == pytest.approx([0.4])


def test_of_what_a_member_says_twice_that_which_fits_better_counts() -> None:
    assert scores([(HERE, 0.9)], [((18.0, 10.0, 58.0, 50.0), 0.8), (NEARLY, 0.5)]) == pytest.approx([0.7])


def test_the_box_is_the_mean_weighted_by_how_likely_each_is() -> None:
    [row] = fused([((10, 10, 50, 50), 0.6)], [((14, 10, 54, 50), 0.2)])
    assert row[:4] == pytest.approx([11, 10, 51, 50])


def test_things_apart_stay_apart() -> None:
    assert [row[:4] for row in fused([(HERE, 0.8)], [(THERE, 0.6)])] == [list(HERE), list(THERE)]


def test_a_thing_inside_a_much_larger_one_stays_apart() -> None:
    assert len(fused([((0, 0, 90, 60), 0.8)], [((40, 30, 50, 40), 0.8)])) == 2


def test_where_nobody_sees_anything_there_is_nothing() -> None:
    assert fused([], []) == []


def test_fusing_leaves_its_input_alone() -> None:
    rows = np.array([[*HERE, 0.8], [*NEARLY, 0.6]])
    before = rows.copy()
    fuse(rows, np.array([0, 1]), 2)
    assert np.array_equal(rows, before)


@pytest.mark.parametrize("score", [0.001, 0.5])
def test_a_box_without_end_stays_a_box(score: float) -> None:
    endless = (-np.inf, 0.0, np.inf, 40.0)
    [row] = fused([(endless, 0.9)], [(endless, score)])
    assert row[:4] == list(endless)


some_boxes = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(8, 40), st.integers(8, 40)).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)
some_members = st.lists(st.lists(some_boxes, max_size=6), min_size=1, max_size=4)


def scored(boxes: list[list[tuple[float, float, float, float]]]) -> list[Said]:
    """The boxes with a score of its own each."""
    count = sum(map(len, boxes))
    values = iter(np.linspace(0.05, 0.95, max(count, 1)).tolist())
    return [[(box, next(values)) for box in said] for said in boxes]


EQUALLY_LIKELY = [  # two things whose members' scores have one sum, unless it is rounded on the way
    [(0.0, 1.0, 8.0, 9.0), (0.0, 0.0, 8.0, 8.0)],
    [(0.0, 0.0, 9.0, 8.0), (0.0, 0.0, 8.0, 8.0), (0.0, 0.0, 8.0, 11.0), *[(0.0, 0.0, 8.0, 8.0)] * 2],
    [(0.0, 1.0, 8.0, 9.0), (2.0, 0.0, 11.0, 8.0)],
]


@given(some_members)
@example(EQUALLY_LIKELY)
def test_the_order_of_the_members_does_not_matter(boxes: list[list[tuple[float, float, float, float]]]) -> None:
    members = scored(boxes)
    forwards, backwards = fused(*members), fused(*reversed(members))
    assert np.array(backwards).reshape(-1, 5) == pytest.approx(np.array(forwards).reshape(-1, 5))


@given(some_members)
def test_every_row_is_a_probability_and_lies_where_something_was_seen(
    boxes: list[list[tuple[float, float, float, float]]],
) -> None:
    members = scored(boxes)
    seen = np.array([box for said in members for box, _ in said]).reshape(-1, 4)
    for *box, score in fused(*members):
        assert 0 < score <= 1
        assert (seen[:, :2].min(axis=0) - 1e-9 <= box[:2]).all()
        assert (box[2:] <= seen[:, 2:].max(axis=0) + 1e-9).all()


@given(some_members)
def test_nothing_that_was_seen_is_lost(boxes: list[list[tuple[float, float, float, float]]]) -> None:
    members = scored(boxes)
    left = fused(*members)
    for box, _ in (one for said in members for one in said):
        assert any(r[0] < box[2] and box[0] < r[2] and r[1] < box[3] and box[1] < r[3] for r in left)


@pytest.mark.parametrize("together", [1, 9])
def test_thousands_of_rows_fit_into_memory(together: int) -> None:
    """4500 rows of nine members, which say the same or each something else."""
    places = np.stack(np.meshgrid(np.arange(25) * 40.0, np.arange(20) * 40.0), axis=-1).reshape(-1, 2)
    parts = [places + (0 if together == 9 else member * 1e4) for member in range(9)]
    corners = np.concatenate(parts)
    rows = np.column_stack([corners, corners + 30, np.linspace(0.05, 0.9, len(corners))])
    tracemalloc.start()
    found = fuse(rows, np.repeat(np.arange(9), 500), 9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 4500 / together
    assert peak < 200e6


# As a detector


def test_scores_are_calibrated_before_they_are_weighed() -> None:
    [one] = Ensemble("together", [Fixed("centerface", [(HERE, 0.5)]), Fixed("m", [])]).detect([picture()])[0]
    worth = probability(float(log_odds("centerface", np.array([0.5]), np.array([40.0]))[0]))
    assert one.score == pytest.approx(worth / 2, abs=1e-4)


def test_an_ensemble_speaks_in_its_own_name() -> None:
    assert [one.detector for one in detect([(HERE, 0.8)], [(NEARLY, 0.6)])] == ["together"]


def test_an_ensemble_is_of_its_members_kind() -> None:
    plates = Ensemble("together", [Fixed(name, [(HERE, 0.8)], "plate") for name in "ab"])
    assert [one.kind for one in plates.detect([picture()])[0]] == ["plate"]


def test_what_one_of_many_members_sees_weakly_is_still_evidence() -> None:
    [one] = detect([(HERE, 0.12)], *[[]] * 5)
    assert one.score == pytest.approx(0.02)
    assert one.score < FLOOR


def test_what_one_view_hardly_saw_may_still_continue_a_track() -> None:
    """As with the detector itself, whose lowest scores are worth less than a hundredth."""
    weak = probability(-5.5)
    assert [one.score for one in detect([(HERE, weak)])] == [round(weak, 4)]
    assert detect([(HERE, weak)], [(HERE, weak)]) == []


def test_below_its_own_floor_an_ensemble_says_nothing() -> None:
    assert detect([(HERE, 0.05)], *[[]] * 5) == []


def test_a_box_turned_inside_out_is_dropped() -> None:
    assert [one.box.to_json() for one in detect([((50, 10, 10, 50), 0.9), (THERE, 0.9)], [])] == [list(THERE)]


@pytest.mark.parametrize("bad", [((np.nan, 0.0, 9.0, 9.0), 0.9), ((0.0, 0.0, 9.0, 9.0), np.nan)])
def test_what_is_not_a_number_does_not_pass_for_no_face(bad: tuple[tuple[float, float, float, float], float]) -> None:
    with pytest.raises(ValueError, match="numbers that are none"):
        detect([bad], [(HERE, 0.8)])


def test_a_box_without_end_hides_the_whole_picture() -> None:
    endless = (-np.inf, -np.inf, np.inf, np.inf)
    assert [one.box.to_json() for one in detect([(endless, 0.9)], [(endless, 0.8)])] == [[0, 0, 96, 64]]


def test_where_no_member_sees_anything_an_ensemble_sees_nothing() -> None:
    assert detect([], []) == []


# Made by name


@pytest.mark.parametrize("copies", ["flip", "scales", "full"])
def test_a_thing_is_found_in_all_copies_together(copies: str) -> None:
    [found] = detectors.create(f"null@{copies}", []).detect([picture(200, 160, [(40, 30, 120, 110)])])
    assert found[0].box.to_json() == pytest.approx([40, 30, 120, 110], abs=1)
    assert found[0].score == pytest.approx(0.9)
    assert found[0].detector == f"null@{copies}"


@pytest.mark.parametrize("way", ["left", "over", "right"])
def test_a_turned_view_is_one_view_of_its_own(way: str) -> None:
    [found] = detectors.create(f"null@{way}", []).detect([picture(200, 160, [(40, 30, 120, 110)])])
    assert [(one.box.to_json(), one.detector) for one in found] == [([40, 30, 120, 110], f"null@{way}")]


@pytest.mark.parametrize("way", ["left", "over", "right"])
def test_of_turned_views_the_word_of_each_is_enough(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them with a third of the say would lose a face that only one sees upright."""
    looks = {"centerface@0.5@left": [], "centerface@0.5@over": [], "centerface@0.5@right": []} | {
        f"centerface@0.5@{way}": [(HERE, 0.9)]
    }
    monkeypatch.setattr(detectors, "_model", lambda row, *rest: Fixed(row, []))
    monkeypatch.setattr(detectors, "Viewed", lambda name, model, view: Fixed(name, looks[name]))
    [found] = detectors.create("turned", []).detect([picture(96, 64)])
    least = log_odds("centerface@0.5", np.array([0.9]), np.array([40.0]))[0] - 4
    assert [(one.box, logit(one.score)) for one in found] == [(Box(*HERE), pytest.approx(least, abs=0.01))]


def test_copies_count_from_the_size_that_was_asked_for() -> None:
    [found] = detectors.create("null@0.5@full", []).detect([picture(200, 160, [(40, 30, 120, 110)])])
    assert (found[0].detector, found[0].score) == ("null@0.5@full", pytest.approx(0.9))


@pytest.mark.parametrize("name", ["null", "null@0.5", "null@full", "twice.1"])
def test_the_model_of_all_views_is_made_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(null.Null):
        def __init__(self, name: str, *rest: object, **more: object) -> None:
            super().__init__(name, *rest, **more)  # type: ignore[arg-type]
            made.append(name)

    monkeypatch.setattr(null, "Null", Counted)
    monkeypatch.setitem(detectors.ENSEMBLES, "twice.1", detectors.Mix(("null@0.5@flip", "null@2")))
    detectors.create(name, [])
    assert made == ["null"]


@pytest.mark.parametrize(
    "name", ["fast.2@0.5", "fast.2@flip", "slow.8@auto", "slow.8@640x480", "fast.2@", "turned@0.5"]
)
def test_an_ensemble_has_no_other_size_and_no_copies(name: str) -> None:
    with pytest.raises(UsageError, match="has its own views"):
        detectors.resolve(name)


@pytest.mark.parametrize("name", detectors.ENSEMBLES)
def test_an_ensemble_needs_what_its_members_need(name: str) -> None:
    members = [str(spec) for spec in detectors._members(name)]
    assert set(detectors.needs(name)) == {file for member in members for file in detectors.needs(member)}


def test_a_thing_beside_what_was_merged_stays_one_of_its_own() -> None:
    rows = np.array([[0, 0, 100, 100, 0.9], [0, 0, 50, 100, 0.85], [50, 0, 100, 100, 0.85]], dtype=np.float64)
    fused = fuse(rows, np.array([0, 1, 1]), 2)
    assert len(fused) == 2
    assert fused[:, 2].max() == 100


def test_corners_are_the_mean_too_and_not_known_where_a_member_does_not_know_them() -> None:
    one, two, none = np.zeros(8), np.full(8, 0.5), np.full(8, np.nan)
    rows = np.array([[*HERE, 0.5, *one], [*NEARLY, 0.5, *two], [*THERE, 0.5, *one], [*THERE, 0.5, *none]])
    near, there = sorted(fuse(rows, np.array([0, 1, 0, 1]), 2).tolist())
    assert near[5:] == [0.25] * 8
    assert np.isnan(there[5:]).all()


# One whose word on things of some sizes is enough

OF_LARGE = (96.0, math.inf)
LARGE, SMALL = (10.0, 10.0, 106.0, 106.0), (10.0, 10.0, 105.0, 105.0)
AWAY = (200.0, 200.0, 220.0, 220.0)


def said_by(box: tuple[float, float, float, float], *scores: float, enough: int | None = 0) -> float:
    """The score of what members say with these scores, where they are not 0, when the word of one of them is enough."""
    members = [Fixed(f"m{i}", [(box, score)] if score else []) for i, score in enumerate(scores)]
    ensemble = Ensemble("together", members, {} if enough is None else {members[enough]: OF_LARGE})
    return max((found.score for found in ensemble.detect([picture(128, 128)])[0]), default=0.0)


def test_what_one_member_says_of_large_things_is_enough() -> None:
    assert said_by(LARGE, 0.8, 0, 0) == pytest.approx(0.8)
    assert said_by(LARGE, 0.8, 0, 0.2) == pytest.approx(0.8)


@pytest.mark.parametrize(("span", "score"), [((96, 97), 0.8), ((97, 200), 0.4), ((0, 96), 0.4), ((0, 97), 0.8)])
def test_its_word_is_enough_from_the_first_to_below_the_second_size(span: tuple[float, float], score: float) -> None:
    members = [Fixed("a", [(LARGE, 0.8)]), Fixed("b", [])]
    [found] = Ensemble("together", members, {members[0]: span}).detect([picture(256, 256)])
    assert [one.score for one in found] == [score]


def test_several_have_each_their_word_on_their_own_sizes() -> None:
    near, far = Fixed("near", [(LARGE, 0.8), (AWAY, 0.7)]), Fixed("far", [(LARGE, 0.9), (AWAY, 0.6)])
    ensemble = Ensemble("together", [Fixed("m", [])], {near: OF_LARGE, far: (0, 50)})
    [found] = ensemble.detect([picture(256, 256)])
    assert {one.box: round(one.score, 6) for one in found} == {Box(*LARGE): 0.8, Box(*AWAY): 0.6}


@pytest.mark.parametrize(("box", "enough"), [(SMALL, 0), (LARGE, 1), (LARGE, None)])
def test_of_smaller_things_and_by_others_it_counts_for_its_share(
    box: tuple[float, float, float, float], enough: int | None
) -> None:
    assert said_by(box, 0.8, 0, enough=enough) == pytest.approx(0.4)


def test_where_all_agree_that_counts() -> None:
    assert said_by(LARGE, 0.4, 0.9) == pytest.approx(0.65)


def beside(box: tuple[float, float, float, float], score: float, word: float) -> float:
    """The score of what one member says, and one that is none of the members but whose word is enough."""
    members = [Fixed("m", [(box, score)] if score else [])]
    found = Ensemble("together", members, {Fixed("beside", [(box, word)]): OF_LARGE}).detect([picture(128, 128)])[0]
    return max((one.score for one in found), default=0.0)


@pytest.mark.parametrize(("score", "word", "both"), [(0, 0.8, 0.8), (0.4, 0.8, 0.8), (0.8, 0.4, 0.8)])
def test_one_beside_the_members_has_its_word_on_large_things_and_no_part_in_the_mean(
    score: float, word: float, both: float
) -> None:
    assert beside(LARGE, score, word) == pytest.approx(both)


@pytest.mark.parametrize("score", [0, 0.4])
def test_of_smaller_things_one_beside_the_members_is_not_heard(score: float) -> None:
    assert beside(SMALL, score, 0.8) == pytest.approx(score)


def test_of_smaller_things_one_beside_the_members_does_not_move_the_box() -> None:
    moved = (15.0, 15.0, 110.0, 110.0)
    ensemble = Ensemble("together", [Fixed("m", [(SMALL, 0.4)])], {Fixed("beside", [(moved, 0.8)]): OF_LARGE})
    assert [found.box for found in ensemble.detect([picture(128, 128)])[0]] == [Box(*SMALL)]


@pytest.mark.parametrize("views", [("null@0.5@flip", "null@2"), ("null@0.25", "null@2"), ("null",)])
def test_the_view_whose_word_is_enough_is_looked_at_once(
    views: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = "null@0.25"
    monkeypatch.setitem(detectors.ENSEMBLES, "alike.1", detectors.Mix(views, (detectors.Enough(enough),)))
    ensemble = detectors.create("alike.1", [])
    assert isinstance(ensemble, Ensemble)
    assert [member.name for member in ensemble._members].count(enough) == 1
    assert [ensemble._members[i].name for i in ensemble._enough] == [enough]


# One whose word is backed by another look

SHIFTED = (14.0, 10.0, 110.0, 106.0)


class Asked(Fixed):
    """Finds the same in every picture, and counts them."""

    looked = 0

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        self.looked += len(images)
        return super().batch(images)


def backed(word: float, other: Said) -> tuple[list[Detection], int]:
    """What is found where one says LARGE with a score and another looks again; and at how many pictures that looked."""
    beside, closer = Fixed("beside", [(LARGE, word)]), Asked("closer", other)
    ensemble = Ensemble("together", [Fixed("m", [])], {beside: OF_LARGE}, {beside: closer})
    [found] = ensemble.detect([picture(256, 256)])
    return found, closer.looked


@pytest.mark.parametrize("score", [0.6, 0.9])
def test_what_the_other_look_says_of_something_likely_is_enough_and_moves_no_box(score: float) -> None:
    [found], looked = backed(0.5, [(SHIFTED, score)])
    assert (found.score, looked) == (pytest.approx(score), 1)
    assert found.box == Box(*LARGE)


@pytest.mark.parametrize(
    "other", [[], [(AWAY, 0.9)], [(SHIFTED, 0.1)]], ids=["nothing", "something elsewhere", "little"]
)
def test_what_the_other_look_does_not_back_is_less_likely_by_one_of_log_odds(other: Said) -> None:
    [found], looked = backed(0.5, other)
    assert (logit(found.score), looked) == (pytest.approx(-1.0, abs=1e-3), 1)


@pytest.mark.parametrize("word", [0.0, 1.0])
def test_what_is_certain_by_itself_stays_so(word: float) -> None:
    found, _ = backed(word, [])
    assert [each.score for each in found] == ([word] if word else [])


def test_where_nothing_is_likely_there_is_no_other_look() -> None:
    [found], looked = backed(0.09, [(LARGE, 0.9)])
    assert (found.score < 0.09, looked) == (True, 0)


def test_of_several_pictures_those_are_looked_at_again_in_which_something_is_likely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside, closer = Fixed("beside", []), Asked("closer", [(LARGE, 0.8)])
    likely = np.array([[*LARGE, 0.5]])
    monkeypatch.setattr(beside, "batch", lambda images: [likely[:0], likely, likely[:0]])
    ensemble = Ensemble("together", [Fixed("m", [])], {beside: OF_LARGE}, {beside: closer})
    found = ensemble.detect([picture(128, 128)] * 3)
    assert ([[each.score for each in some] for some in found], closer.looked) == ([[], [pytest.approx(0.8)], []], 1)


def test_the_table_names_the_view_that_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mix = detectors.Mix(("null",), (detectors.Enough("null@0.25", again="null@0.5"),))
    monkeypatch.setitem(detectors.ENSEMBLES, "again.1", mix)
    ensemble = detectors.create("again.1", [])
    assert isinstance(ensemble, Ensemble)
    assert [(ensemble._members[i].name, other.name) for i, other in ensemble._again.items()] == [
        ("null@0.25", "null@0.5")
    ]
