"""One frame: the threshold, the margin, and what people decided."""

from hypothesis import given
from hypothesis import strategies as st

from faceblur.calibration import logit, probability
from faceblur.domain import Box, Decision, Detection, Motion
from faceblur.temporal import Evidence, Settings, Solved, regions, solve, unheard

A, B = Box(100, 100, 140, 150), Box(200, 100, 240, 150)
SIZE = (1000, 800)
USUAL, SMALL = Box(100, 100, 164, 164), Box(100, 100, 120, 120)
PLAIN = Settings(threshold=0.2, grow=0.0)


def margin(box: Box, px: float = 3) -> Box:
    """The box with the smallest margin that there is in a picture alone."""
    return Box(box.left - px, box.top - px, box.right + px, box.bottom + px)


def face(box: Box, score: float = 0.9, detector: str = "one") -> Detection:
    return Detection(box, score, "face", detector)


def decide(action: str, box: Box, name: str = "1", frames: tuple[int, int] = (1, 9)) -> Decision:
    return Decision(name, action, "face", tuple((number, box) for number in frames))


def solve_one(detections: list[Detection], *decisions: Decision, settings: Settings = PLAIN) -> Solved:
    return next(iter(solve([Evidence(1, 0, tuple(detections))], decisions, settings, SIZE)))


def solve_several(detections: list[Detection], count: int = 5) -> Solved:
    """The first of several frames that all show the same."""
    frames = [Evidence(n, n, tuple(detections), Motion() if n > 1 else None) for n in range(1, count + 1)]
    return next(iter(solve(frames, (), PLAIN, SIZE)))


def boxes(solved: Solved) -> list[Box]:
    return [region.box for region in solved.regions]


def test_every_frame_that_goes_in_comes_out_in_order() -> None:
    frames = [Evidence(number, number * 40, ()) for number in (3, 1, 7)]
    assert [solved.number for solved in solve(frames, [], PLAIN, SIZE)] == [3, 1, 7]


def test_a_likely_face_of_usual_size_is_hidden() -> None:
    assert boxes(solve_several([face(USUAL, 0.201)])) == [margin(USUAL, 6)]


def test_an_unlikely_face_of_usual_size_is_not() -> None:
    assert boxes(solve_several([face(USUAL, 0.199)])) == []


def test_a_large_face_must_be_surer_than_a_small_one() -> None:
    assert boxes(solve_several([face(SMALL, 0.1)])) == [margin(SMALL, 6)]
    assert boxes(solve_several([face(USUAL, 0.1)])) == []


def test_in_a_picture_that_stands_alone_less_is_enough() -> None:
    """The best of many moments do not count there."""
    least = probability(logit(PLAIN.threshold) - 1.4)
    assert boxes(solve_one([face(USUAL, least + 0.001)])) == [margin(USUAL)]
    assert boxes(solve_one([face(USUAL, least - 0.001)])) == []


def test_in_a_picture_that_stands_alone_a_large_face_must_be_surer_too() -> None:
    assert boxes(solve_one([face(SMALL, 0.05)])) == [margin(SMALL)]
    assert boxes(solve_one([face(USUAL, 0.05)])) == []


def test_a_shot_of_two_frames_does_not_stand_alone() -> None:
    assert boxes(solve_several([face(USUAL, 0.199)], count=2)) == []


def test_a_huge_face_need_not_be_surer_than_a_large_one() -> None:
    large, huge = (solve_one([face(Box(0, 0, side, side), 0.8)]) for side in (110, 700))
    assert len(large.regions) == len(huge.regions) == 1


def test_the_lowest_threshold_hides_everything() -> None:
    assert len(solve_one([face(Box(0, 0, 700, 700), 0.05)], settings=Settings(threshold=0)).regions) == 1


def test_a_face_that_two_detectors_found_is_one_region() -> None:
    near = Box(102, 101, 141, 152)
    assert len(boxes(solve_one([face(A, detector="one"), face(near, detector="two")]))) == 1


def test_faces_that_two_detectors_found_are_all_hidden() -> None:
    assert boxes(solve_one([face(A, detector="one"), face(B, detector="two")])) == [margin(A), margin(B)]


def test_what_one_detector_says_twice_stays_two_regions() -> None:
    assert len(boxes(solve_one([face(A), face(A)]))) == 2


def test_a_region_says_why_it_is_hidden() -> None:
    assert (solve_one([face(A)]).regions[0].reason, solve_one([face(A)]).regions[0].track) == ("detection", "1.1")


def test_a_region_says_how_sure_it_is() -> None:
    unsure, sure = (solve_one([face(SMALL, score)]).regions[0].score for score in (0.3, 0.9))
    assert 0.2 < unsure < sure < 1


def test_mistake_13_a_region_grows_evenly_from_the_detections_own_box() -> None:
    grown = regions([face(Box(100, 100, 200, 300))], Settings(grow=0.3))[0].box
    assert grown == Box(70, 40, 230, 360)


@given(st.floats(0, 3), st.floats(0, 900), st.floats(0, 900), st.floats(1, 400), st.floats(1, 400))
def test_a_region_never_covers_less_than_its_detection(
    grow: float, left: float, top: float, width: float, height: float
) -> None:
    box = Box(left, top, left + width, top + height).rounded()
    region = regions([face(box)], Settings(threshold=0, grow=grow))[0].box
    assert region.left <= box.left < box.right <= region.right
    assert region.top <= box.top < box.bottom <= region.bottom


def test_a_face_at_the_border_keeps_its_margin_outside() -> None:
    assert regions([face(Box(0, 0, 40, 40))], Settings(grow=0.25))[0].box == Box(-10, -10, 50, 50)


def test_a_decision_to_hide_adds_a_region() -> None:
    assert [r.reason for r in solve_one([face(A)], decide("hide", B)).regions] == ["detection", "decision 1"]


def test_an_ellipse_inside_the_region_goes_around_the_box_a_person_drew() -> None:
    region = boxes(solve_one([], decide("hide", B)))[0]
    corner = ((B.width / 2) / (region.width / 2)) ** 2 + ((B.height / 2) / (region.height / 2)) ** 2
    assert corner <= 1.001


def test_a_decision_to_hide_outside_the_picture_is_a_doubt_and_no_region() -> None:
    solved = solve_one([], decide("hide", Box(1100, 100, 1200, 200)))
    assert (solved.regions, len(solved.doubts)) == ((), 1)


def test_a_decision_that_names_no_frame_is_a_doubt() -> None:
    assert len(unheard([decide("hide", A, frames=(20, 30)), decide("hide", A, frames=(5, 30))], range(1, 10))) == 1


def test_a_decision_to_keep_does_not_reach_a_face_beside_it() -> None:
    beside = Box(130, 110, 170, 160)
    solved = solve_one([face(beside)], decide("keep", A))
    assert (boxes(solved), len(solved.doubts)) == ([margin(beside)], 1)


def test_a_decision_to_keep_much_larger_than_the_face_keeps_nothing() -> None:
    assert boxes(solve_one([face(A)], decide("keep", Box(50, 50, 250, 250)))) == [margin(A)]


def test_a_decision_to_hide_names_itself_as_the_reason() -> None:
    assert solve_one([], decide("hide", B, "abc")).regions[0].reason == "decision abc"


def test_a_decision_holds_only_in_its_frames() -> None:
    frames = [Evidence(number, 0, ()) for number in range(1, 6)]
    solved = solve(frames, [decide("hide", A, frames=(2, 4))], PLAIN, SIZE)
    assert [s.number for s in solved if s.regions] == [2, 3, 4]


def test_a_decision_to_keep_takes_away_the_one_region_it_meets() -> None:
    assert boxes(solve_one([face(A), face(B)], decide("keep", A))) == [margin(B)]


def test_a_decision_to_keep_that_meets_two_regions_takes_away_none() -> None:
    wide = Box(A.left, A.top, B.right, B.bottom)
    assert boxes(solve_one([face(A), face(B)], decide("keep", wide))) == [margin(A), margin(B)]


def test_a_decision_to_keep_that_meets_two_regions_is_a_doubt() -> None:
    wide = Box(A.left, A.top, B.right, B.bottom)
    doubts = solve_one([face(A), face(B)], decide("keep", wide, "abc")).doubts
    assert [(doubt.number, doubt.box) for doubt in doubts] == [(1, wide)]


def test_a_decision_to_keep_that_meets_nothing_is_a_doubt() -> None:
    assert len(solve_one([face(A)], decide("keep", B)).doubts) == 1


def test_a_decision_to_keep_that_was_followed_is_no_doubt() -> None:
    assert solve_one([face(A)], decide("keep", A)).doubts == ()


def test_hide_beats_keep() -> None:
    assert margin(A) in boxes(solve_one([face(A)], decide("keep", A, "1"), decide("hide", A, "2")))


def test_a_decision_to_keep_what_a_person_hides_is_a_doubt() -> None:
    assert len(solve_one([face(A)], decide("hide", A, "1"), decide("keep", A, "2")).doubts) == 1


def test_one_decision_to_keep_does_not_make_another_fit() -> None:
    near = Box(150, 100, 190, 150)
    wide = Box(A.left, A.top, near.right, near.bottom)
    assert boxes(solve_one([face(A), face(near)], decide("keep", A, "1"), decide("keep", wide, "2"))) == [margin(near)]


def test_the_order_of_decisions_to_keep_does_not_matter() -> None:
    near = Box(150, 100, 190, 150)
    one, two = decide("keep", A, "1"), decide("keep", Box(A.left, A.top, near.right, near.bottom), "2")
    assert boxes(solve_one([face(A), face(near)], one, two)) == boxes(solve_one([face(A), face(near)], two, one))


def test_two_decisions_to_keep_the_same_face_are_no_doubt() -> None:
    assert solve_one([face(A)], decide("keep", A, "1"), decide("keep", A, "2")).doubts == ()


def test_two_equal_regions_are_not_taken_for_one() -> None:
    assert boxes(solve_one([face(A), face(A)], decide("keep", A))) == [margin(A), margin(A)]


def test_where_a_person_decided_there_is_no_doubt_left() -> None:
    weak = face(Box(100, 100, 164, 164), 0.12)
    assert len(solve_one([weak]).doubts) == 1
    assert solve_one([weak], decide("hide", weak.box)).doubts == ()
