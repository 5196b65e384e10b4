"""The rules of the solve, each on made-up detections; without the rule its test fails."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import pytest

from faceblur.domain import Box, Detection, Motion
from faceblur.temporal import Evidence, Settings, Solved, solve

SIZE = (1280, 720)
TICK = Fraction(1, 30)
CUT = Motion(support=0.0)
STILL = Motion()
DEFAULT = Settings()


def face(x: float, y: float, score: float = 0.9, size: float = 40, detector: str = "one") -> Detection:
    """A face with its middle at (x, y)."""
    return Detection(Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), score, "face", detector)


def play(
    frames: Iterable[Sequence[Detection]],
    motions: Iterable[Motion] = itertools.repeat(STILL),
    pts: Iterable[int] = itertools.count(),
    settings: Settings = DEFAULT,
    tick: Fraction = TICK,
) -> list[Solved]:
    """The solution of frames 1, 2, …"""
    evidence = [
        Evidence(number, when, tuple(found), motion if number > 1 else None)
        for number, (found, motion, when) in enumerate(zip(frames, motions, pts), start=1)  # noqa: B905
    ]
    return list(solve(evidence, (), settings, SIZE, tick))


def alone(solved: Solved) -> Box:
    """The only region of a frame."""
    [region] = solved.regions
    return region.box


def hides(solved: Solved, x: float, y: float, size: float = 40) -> bool:
    """Whether one region of a frame covers all of the face with its middle at (x, y)."""
    half = size / 2
    return any(
        b.left <= x - half and b.top <= y - half and b.right >= x + half and b.bottom >= y + half
        for b in (region.box for region in solved.regions)
    )


def tracks(solution: Iterable[Solved]) -> set[str]:
    return {region.track for solved in solution for region in solved.regions}


# What is believed


def test_a_lone_weak_detection_is_not_believed() -> None:
    frames = [[face(600, 300, 0.1, 20)] if i == 15 else [] for i in range(30)]
    assert not tracks(play(frames))


def test_two_weak_detections_are_not_believed() -> None:
    frames = [[face(600, 300, 0.1, 20)] if i in (15, 16) else [] for i in range(30)]
    assert not tracks(play(frames))


def test_weak_detections_that_agree_become_a_track() -> None:
    frames = [[face(600 + i, 300, 0.1, 20)] if 12 <= i < 18 else [] for i in range(30)]
    assert len(tracks(play(frames))) == 1


def test_weak_detections_all_over_the_picture_do_not() -> None:
    frames = [[face(100 + 37 * i % 1000, 100 + 91 * i % 500, 0.1, 20)] for i in range(30)]
    assert not tracks(play(frames))


def test_a_lone_strong_detection_is_believed() -> None:
    frames = [[face(600, 300, 0.999)] if i == 15 else [] for i in range(30)]
    assert hides(play(frames)[15], 600, 300)


def test_mistake_11_a_weak_start_is_hidden_once_the_face_is_sure() -> None:
    frames = [[face(300 + 5 * i, 300, 0.06 if i < 20 else 0.95)] for i in range(30)]
    assert all(hides(solved, 300 + 5 * i, 300) for i, solved in enumerate(play(frames)))


def test_a_weak_end_is_hidden_too() -> None:
    frames = [[face(300 + 5 * i, 300, 0.95 if i < 10 else 0.06)] for i in range(30)]
    assert all(hides(solved, 300 + 5 * i, 300) for i, solved in enumerate(play(frames)))


def test_a_track_is_believed_for_its_best_three_detections() -> None:
    frames = [[face(600, 300, 0.5 if i in (10, 11, 12) else 0.06, 64)] for i in range(30)]
    assert all(solved.regions for solved in play(frames))


@pytest.mark.parametrize("size", [40, 100, 400, 1000])
def test_a_sure_detection_is_believed_alone_whatever_its_size(size: int) -> None:
    frames = [[face(600, 300, 0.65, size)] if i == 15 else [] for i in range(30)]
    assert hides(play(frames)[15], 600, 300, size)


def test_sure_faces_that_jump_too_far_to_be_linked_are_hidden() -> None:
    frames = [[face(100 + 400 * (i % 3), 100 + 250 * (i % 2), 0.8, 100)] for i in range(30)]
    assert all(len(solved.regions) >= 1 for solved in play(frames))


# Gaps


def test_mistake_11_a_gap_of_eight_frames_is_bridged_while_the_face_moves_on() -> None:
    frames = [[] if 12 <= i < 20 else [face(200 + 12 * i, 300)] for i in range(32)]
    solution = play(frames, settings=Settings(look_back=0, look_ahead=0))
    assert all(hides(solved, 200 + 12 * i, 300) for i, solved in enumerate(solution))
    assert {solved.regions[0].reason for solved in solution[12:20]} == {"bridged"}
    assert len(tracks(solution)) == 1


def test_a_face_that_moves_most_of_its_width_between_two_looks_is_one_track() -> None:
    frames = [[] if i % 3 else [face(200 + 11 * i, 300)] for i in range(31)]
    solution = play(frames, settings=Settings(look_back=0, look_ahead=0))
    assert all(hides(solved, 200 + 11 * i, 300) for i, solved in enumerate(solution))
    assert len(tracks(solution)) == 1


def test_faces_in_a_row_keep_apart_although_they_are_seldom_looked_at() -> None:
    frames = [[] if i % 3 else [face(200 + 60 * k + 5 * i, 300) for k in range(5)] for i in range(31)]
    assert len(tracks(play(frames))) == 5


def test_a_region_grows_while_nothing_is_seen() -> None:
    frames = [[] if 12 <= i < 20 else [face(600, 300)] for i in range(32)]
    solution = play(frames)
    assert alone(solution[11]).width < alone(solution[12]).width < alone(solution[16]).width


def test_a_track_goes_on_before_its_first_and_after_its_last_detection() -> None:
    frames = [[face(600, 300)] if 15 <= i < 20 else [] for i in range(40)]
    hidden = [
        i for i, solved in enumerate(play(frames, settings=Settings(look_back=6, look_ahead=3))) if solved.regions
    ]
    assert hidden == list(range(15 - 6, 20 + 3))


def test_an_extension_follows_a_face_that_moves() -> None:
    frames = [[face(300 + 8 * i, 300)] if i < 20 else [] for i in range(25)]
    assert all(hides(solved, 300 + 8 * i, 300) for i, solved in enumerate(play(frames)))


def test_who_walks_may_have_stood_before_he_was_seen() -> None:
    frames = [[] if i < 15 else [face(300 + 8 * (i - 15), 300)] for i in range(40)]
    assert all(hides(solved, 300, 300) for solved in play(frames)[5:15])


def test_who_walks_may_stop_when_he_is_no_longer_seen() -> None:
    frames = [[face(300 + 8 * i, 300)] if i < 20 else [] for i in range(40)]
    assert all(hides(solved, 300 + 8 * 19, 300) for solved in play(frames)[20:25])


def test_an_extension_is_carried_along_with_the_camera() -> None:
    frames = [[face(900 - 10 * i, 300)] if i < 20 else [] for i in range(25)]
    motions = itertools.repeat(Motion(dx=-10.0))
    assert all(hides(solved, 900 - 10 * i, 300) for i, solved in enumerate(play(frames, motions)))


def test_a_face_that_left_the_picture_is_not_carried_on() -> None:
    frames = [[face(1200 + 16 * i, 300)] if i < 4 else [] for i in range(16)]
    solution = play(frames, itertools.repeat(Motion(dx=16.0)), settings=Settings(look_ahead=12))
    assert solution[4].regions
    assert not solution[-1].regions


def test_a_face_that_is_half_out_of_the_picture_is_carried_on() -> None:
    frames = [[face(1200 + 16 * i, 300)] if i < 4 else [] for i in range(8)]
    solution = play(frames, itertools.repeat(Motion(dx=16.0)))
    assert solution[5].regions
    assert solution[6].regions


def test_a_face_that_the_camera_brings_back_was_carried_on_outside() -> None:
    moves = {10: 30.0, 11: 30.0, 12: -30.0, 13: -30.0}
    frames = [[face(1255, 300)] if i < 10 else [] for i in range(20)]
    solution = play(frames, [Motion(dx=moves.get(i, 0.0)) for i in range(20)])
    assert all(hides(solved, 1255, 300) for solved in solution[13:15])


def test_extended_regions_say_so() -> None:
    frames = [[face(600, 300)] if i < 20 else [] for i in range(22)]
    assert [solved.regions[0].reason for solved in play(frames)[19:]] == ["detection", "extended", "extended"]


# Linking


def test_people_in_a_row_who_all_walk_on_keep_apart() -> None:
    """Each is nearer to where another one was: only all links together tell who is who."""
    frames = [[face(200 + 32 * k + 22 * (i // 3), 300) for k in range(5)] if i % 3 == 0 else [] for i in range(7)]
    assert len(tracks(play(frames, settings=Settings(look_back=0, look_ahead=0)))) == 5


def test_two_people_who_cross_stay_two_tracks() -> None:
    frames = [[face(400 + 8 * i, 300), face(800 - 8 * i, 310)] for i in range(50)]
    solution = play(frames)
    first, last = ({r.track: r.box.left for r in solution[i].regions} for i in (0, -1))
    assert len(tracks(solution)) == 2
    left, right = sorted(first, key=lambda name: first[name])
    assert last[left] > last[right], "each goes on in its own direction"


def test_a_panning_camera_does_not_break_a_track() -> None:
    places = [100 + 45 * i + (20 * i if i % 2 else 0) for i in range(20)]  # in jerks
    motions = [STILL, *(Motion(dx=float(b - a)) for a, b in itertools.pairwise(places))]
    frames = [[face(x, 300, 0.9, 30)] for x in places]
    assert len(tracks(play(frames, motions))) == 1
    assert len(tracks(play(frames))) != 1, "the camera's motion is what holds it together"


def test_a_mistaken_camera_does_not_break_a_track() -> None:
    """For two frames the camera's motion is taken from the people that it moves along with."""
    frames = [[face(600 + i % 2, 300, 0.9, 24)] for i in range(40)]
    motions = [Motion() if i % 10 in (5, 6) else Motion(dx=-14.0) for i in range(40)]
    assert len(tracks(play(frames, motions))) == 1


def test_a_zoom_does_not_break_a_track() -> None:
    zoom = Motion(a=1.2, dx=-0.2 * 640, dy=-0.2 * 360)
    frames = [[face(640 + 10 * 1.2**i, 360, 0.9, 12 * 1.2**i)] if i % 3 == 0 else [] for i in range(16)]
    assert len(tracks(play(frames, itertools.repeat(zoom)))) == 1
    assert len(tracks(play(frames))) > 1


def test_a_face_of_another_size_is_another_track() -> None:
    frames = [[face(600, 300, 0.9, 40 if i < 10 else 120)] for i in range(20)]
    assert len(tracks(play(frames))) == 2


def test_a_face_and_a_plate_in_one_place_are_two_tracks() -> None:
    plate = [Detection(Box(580, 280, 620, 320), 0.9, "plate", "one")]
    frames = [[face(600, 300)] if i < 10 else plate for i in range(20)]
    assert len(tracks(play(frames))) == 2


# Shots


def test_nothing_is_carried_over_a_cut() -> None:
    frames = [[face(600, 300)] if i < 20 else [] for i in range(40)]
    motions = [CUT if i == 20 else STILL for i in range(40)]
    solution = play(frames, motions)
    assert solution[19].regions
    assert not solution[20].regions


def test_nothing_is_carried_back_over_a_cut() -> None:
    frames = [[] if i < 20 else [face(600, 300)] for i in range(40)]
    motions = [CUT if i == 20 else STILL for i in range(40)]
    assert not play(frames, motions)[19].regions


def test_faces_in_one_place_before_and_after_a_cut_are_two_tracks() -> None:
    motions = [CUT if i == 20 else STILL for i in range(40)]
    assert len(tracks(play([[face(600, 300)]] * 40, motions))) == 2


def test_a_fade_through_black_is_a_cut() -> None:
    frames = [[] if 18 <= i < 24 else [face(600, 300)] for i in range(40)]
    motions = [CUT if i in (18, 24) else STILL for i in range(40)]
    solution = play(frames, motions)
    assert len(tracks(solution)) == 2
    assert not any(solved.regions for solved in solution[18:24])


@pytest.mark.parametrize(("length", "rate"), [(1, 5), (1, 10), (2, 10), (1, 30), (2, 30), (4, 120), (8, 120)])
def test_a_flash_is_no_cut(length: int, rate: int) -> None:
    """Not all of its frames are unlike the one before."""
    frames = [[] if 20 <= i < 20 + length else [face(600, 300)] for i in range(60)]
    motions = [CUT if i in (20, 20 + length) else STILL for i in range(60)]
    solution = play(frames, motions, tick=Fraction(1, rate))
    assert len(tracks(solution)) == 1
    assert all(hides(solved, 600, 300) for solved in solution)


def test_a_whirl_of_the_camera_does_not_leave_its_frames_alone() -> None:
    frames = [[] if 20 <= i < 25 else [face(600, 300)] for i in range(40)]
    motions = [CUT if 20 <= i <= 25 else STILL for i in range(40)]
    assert all(hides(solved, 600, 300) for solved in play(frames, motions))


@pytest.mark.parametrize(("every", "rate"), [(1, 1), (2, 1), (1, 3), (2, 5), (3, 30), (30, 30), (6, 60)])
def test_slides_are_solved_each_by_itself(every: int, rate: int) -> None:
    """However few frames each of them has."""
    frames = [[face(100 + 90 * (i // every), 300)] for i in range(12 * every)]
    motions = [CUT if i % every == 0 else STILL for i in range(12 * every)]
    for i, solved in enumerate(play(frames, motions, tick=Fraction(1, rate))):
        assert alone(solved).touches(frames[i][0].box)


def test_a_shot_of_one_frame_at_the_end_is_solved() -> None:
    motions = [CUT if i == 9 else STILL for i in range(10)]
    solution = play([[face(600, 300)]] * 9 + [[face(200, 200)]], motions)
    assert hides(solution[9], 200, 200)


def test_a_clip_of_one_frame_is_solved() -> None:
    assert hides(play([[face(600, 300)]])[0], 600, 300)


# Time


def test_times_count_and_not_frames() -> None:
    """Ten units of look-ahead are ten frames at 30 a second, and twenty at 60."""
    frames = [[face(600, 300)] if i < 10 else [] for i in range(60)]
    reach = [
        sum(bool(s.regions) for s in play(frames, settings=Settings(look_ahead=10), tick=Fraction(1, rate))) - 10
        for rate in (30, 60)
    ]
    assert reach == [10, 20]


@pytest.mark.parametrize("rate", [30, 60])
def test_times_in_milliseconds_cost_no_frame(rate: int) -> None:
    pts, more = [round(i * 1000 / rate) for i in range(120)], rate // 30
    for first in (50, 51, 52):
        frames = [[face(600, 300)] if i == first else [] for i in range(120)]
        hidden = [i for i, s in enumerate(play(frames, pts=pts, tick=Fraction(1, 1000))) if s.regions]
        assert hidden == list(range(first - 10 * more, first + 5 * more + 1))


def test_where_a_variable_rate_is_low_frames_count() -> None:
    pts = [*range(60), *range(60, 150, 3)]
    frames = [[face(600, 300)] if i == 75 else [] for i in range(90)]
    assert [i for i, solved in enumerate(play(frames, pts=pts)) if solved.regions] == list(range(65, 81))


def test_at_a_low_rate_frames_count() -> None:
    frames = [[face(600, 300)] if i < 5 else [] for i in range(12)]
    assert sum(bool(s.regions) for s in play(frames, settings=Settings(look_ahead=3), tick=Fraction(1))) == 8


@pytest.mark.parametrize("speed", [2, 4, 6])
def test_a_gap_at_a_variable_rate_is_bridged_by_time(speed: int) -> None:
    """The face moves some pixels a tick; the frames in the gap stand at ticks of their own."""
    pts = [*range(20), 20, 21, 23, 26, *range(30, 50)]
    frames = [[face(300 + speed * t, 300)] if not 20 <= t < 30 else [] for t in pts]
    solution = play(frames, pts=pts, settings=Settings(look_back=0, look_ahead=0))
    assert all(hides(solved, 300 + speed * when, 300) for when, solved in zip(pts, solution, strict=True))


def test_who_walks_on_over_a_pause_stays_one_track() -> None:
    """After six units he is where his speed took him."""
    pts = [*range(10), *range(16, 26)]
    assert len(tracks(play([[face(300 + 9 * t, 300)] for t in pts], pts=pts))) == 1


def test_who_walks_on_over_many_pauses_stays_one_track() -> None:
    pts = list(itertools.accumulate([1, 1, 1, 5] * 15))
    frames = [[face(200 + 10 * t, 300)] if i % 2 == 0 else [] for i, t in enumerate(pts)]
    assert len(tracks(play(frames, pts=pts))) <= 2


def test_frames_at_the_same_time_are_solved() -> None:
    solution = play([[face(600, 300)] if i % 2 else [] for i in range(20)], pts=[i // 2 for i in range(20)])
    assert all(hides(solved, 600, 300) for solved in solution[1:])


def test_a_picture_that_stood_still_for_long_does_not_break_a_track() -> None:
    pts = [*range(10), *range(1000, 1010)]
    assert len(tracks(play([[face(600, 300)]] * 20, pts=pts))) == 1


# Steadiness


def test_regions_do_not_tremble_with_the_detections() -> None:
    frames = [[face(600 + (3 if i % 2 else -3), 300)] for i in range(40)]
    middles = [(alone(s).left + alone(s).right) / 2 for s in play(frames)][10:30]
    assert max(middles) - min(middles) < 1


def test_two_detectors_that_take_turns_make_one_steady_region() -> None:
    frames = [[face(600, 300, 0.8, 40 if i % 2 else 46, "one" if i % 2 else "two")] for i in range(40)]
    solution = play(frames)
    widths = [alone(s).width for s in solution][10:30]
    assert max(widths) - min(widths) < 1
    assert len(tracks(solution)) == 1


def test_a_region_covers_what_each_sure_detector_saw() -> None:
    high = Detection(Box(580, 257, 620, 343), 0.93, "face", "two")
    for solved in play([[face(600, 300, 0.95), high]] * 20):
        assert alone(solved).top <= 257
        assert alone(solved).bottom >= 343


def test_a_region_is_never_smaller_than_what_was_seen_in_its_frame() -> None:
    frames = [[face(600, 300, 0.9, 52 if i == 20 else 40)] for i in range(40)]
    assert hides(play(frames)[20], 600, 300, 52)


def test_a_face_that_moves_steadily_is_not_lagged_behind() -> None:
    frames = [[face(200 + 15 * i, 300)] for i in range(40)]
    for i, solved in enumerate(play(frames)):
        assert (alone(solved).left + alone(solved).right) / 2 == pytest.approx(200 + 15 * i, abs=0.5)


# The whole


def test_tracks_keep_their_names_when_others_come_and_go() -> None:
    with_another = [[face(100, 100), face(600, 300)] if i < 15 else [face(600, 300)] for i in range(30)]
    one, other = play([[face(600, 300)] if i >= 15 else [] for i in range(30)]), play(with_another)
    assert "16.1" in tracks(one)
    assert tracks(other) == {"1.1", "1.2"}


def test_the_same_evidence_gives_the_same_regions() -> None:
    frames = [[face(400 + 8 * i, 300), face(800 - 8 * i, 310, 0.3), face(50 * i % 900, 90, 0.1)] for i in range(40)]
    assert play(frames) == play(frames)


def test_twenty_faces_are_all_hidden() -> None:
    frames = [[face(60 + 60 * k, 100 + 25 * k, 0.9, 30) for k in range(20)] for _ in range(5)]
    assert all(len(solved.regions) == 20 for solved in play(frames))


MANY: Callable[[int], list[Detection]] = lambda i: [face(100 + 300 * k + i % 7, 300) for k in range(4)]  # noqa: E731


def test_tracks_go_on_for_as_long_as_they_are_seen() -> None:
    solution = play([MANY(i) for i in range(1500)])
    assert len(tracks(solution)) == 4
    assert sum(len(solved.regions) for solved in solution) == 6000
