"""How the camera moved, and cuts, on pictures that move in known ways."""

import itertools

import cv2
import numpy as np
import pytest

from faceblur import motion
from faceblur.domain import Motion
from faceblur.images import Image

SIZE = (640, 360)
RNG = np.random.default_rng(5)


def scene(seed: int = 1) -> Image:
    """A large picture with much to hold on to: (900, 1400, 3) uint8, patches of all sizes and greys."""
    rng = np.random.default_rng(seed)
    image = np.full((900, 1400, 3), 128, dtype=np.uint8)
    for _ in range(500):
        x, y, w, h = rng.integers(0, 1350), rng.integers(0, 850), rng.integers(8, 90), rng.integers(8, 90)
        image[y : y + h, x : x + w] = rng.integers(20, 235)
    return cv2.GaussianBlur(image, (0, 0), 1.2).astype(np.uint8)


def view(
    image: Image, x: float, y: float, *, zoom: float = 1.0, turn: float = 0.0, size: tuple[int, int] = SIZE
) -> Image:
    """What a camera sees whose picture's corner is at (x, y) of the scene."""
    a, b = zoom * np.cos(turn), zoom * np.sin(turn)
    matrix = np.array([[a, -b, -a * x + b * y], [b, a, -b * x - a * y]])
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR).astype(np.uint8)


def moved(before: Image, after: Image) -> Motion:
    return motion.between(motion.small(before), motion.small(after), before.shape[1])


def carried(found: Motion, x: float, y: float) -> tuple[float, float]:
    return found.a * x - found.b * y + found.dx, found.b * x + found.a * y + found.dy


def test_a_still_camera_does_not_move() -> None:
    found = moved(view(scene(), 300, 200), view(scene(), 300, 200))
    assert (found.support, found.a, found.b) == (1.0, pytest.approx(1), pytest.approx(0, abs=1e-4))
    assert (found.dx, found.dy) == (pytest.approx(0, abs=0.1), pytest.approx(0, abs=0.1))


@pytest.mark.parametrize("light", [0, 128, 255])
def test_a_fade_ends_the_shot_once_nothing_is_left_to_see(light: int) -> None:
    """And begins the next one; while there is nothing to see, and while there is something, there is no cut."""
    shown = view(scene(), 300, 200).astype(float)
    steps = [*np.linspace(0, 1, 11), 1, 1, *np.linspace(1, 0, 11)]
    frames = [np.rint(shown + (light - shown) * step).astype(np.uint8) for step in steps]
    cuts = [i for i, pair in enumerate(itertools.pairwise(frames), start=1) if moved(*pair).support < 0.1]
    assert len(cuts) == 2
    assert [i for i, frame in enumerate(frames) if np.ptp(frame) < 4] == list(range(*cuts))  # dim ones could be lit up


def test_a_pan_moves_everything_the_other_way() -> None:
    found = moved(view(scene(), 300, 200), view(scene(), 312, 195))
    assert (found.dx, found.dy) == (pytest.approx(-12, abs=0.3), pytest.approx(5, abs=0.3))


def test_a_pan_is_told_in_pixels_of_the_frame_whatever_its_size() -> None:
    large = cv2.resize(scene(), None, fx=3, fy=3)
    found = moved(view(large, 900, 600, size=(1920, 1080)), view(large, 936, 600, size=(1920, 1080)))
    assert found.dx == pytest.approx(-36, abs=1)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720)])
def test_a_zoom_leaves_the_corner_of_the_frame_in_place(size: tuple[int, int]) -> None:
    """The corner at (0, 0) of the frame, not the middle of its first pixel."""
    large = cv2.resize(scene(), None, fx=2, fy=2)
    before = view(large, 300, 200, size=size)
    matrix = np.array([[1.1, 0, 0.05], [0, 1.1, 0.05]])  # OpenCV counts from the middles of pixels
    found = moved(before, cv2.warpAffine(before, matrix, size).astype(np.uint8))
    assert carried(found, 0, 0) == (pytest.approx(0, abs=0.4), pytest.approx(0, abs=0.4))
    assert found.a == pytest.approx(1.1, abs=0.003)


def test_a_turn_is_told() -> None:
    found = moved(view(scene(), 300, 200), view(scene(), 300, 200, turn=0.02))
    assert found.b == pytest.approx(0.02, abs=0.002)


def test_people_who_move_do_not_move_the_camera() -> None:
    before, after = view(scene(), 300, 200), view(scene(), 310, 200)
    before[100:220, 100:200] = view(scene(2), 0, 0)[100:220, 100:200]
    after[100:220, 130:230] = view(scene(2), 0, 0)[100:220, 100:200]
    assert moved(before, after).dx == pytest.approx(-10, abs=0.5)


def test_after_a_cut_there_is_no_support() -> None:
    assert moved(view(scene(1), 300, 200), view(scene(2), 300, 200)).support < 0.05


def test_a_fade_is_no_cut() -> None:
    before = view(scene(), 300, 200)
    after = (view(scene(), 304, 200) * 0.8).astype(np.uint8)
    found = moved(before, after)
    assert found.support > 0.5
    assert found.dx == pytest.approx(-4, abs=0.3)


def test_going_to_black_is_a_cut() -> None:
    black = np.zeros((360, 640, 3), dtype=np.uint8)
    assert moved(view(scene(), 300, 200), black).support < 0.1
    assert moved(black, view(scene(), 300, 200)).support < 0.1


def test_black_that_stays_black_is_no_cut() -> None:
    black = np.zeros((360, 640, 3), dtype=np.uint8)
    assert moved(black, black) == Motion()


def test_noise_on_black_is_no_cut() -> None:
    one, two = (RNG.integers(0, 3, (360, 640, 3)).astype(np.uint8) for _ in range(2))
    assert moved(one, two).support == 1


def test_another_size_is_a_cut() -> None:
    assert moved(view(scene(), 0, 0), view(scene(), 0, 0, size=(320, 180))).support == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 700), (700, 1), (16, 16)])
def test_pictures_of_any_size_are_compared(size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 90, dtype=np.uint8)
    assert moved(image, image).support == 1


def test_the_same_pictures_give_the_same_numbers() -> None:
    pair = view(scene(), 300, 200), view(scene(), 317, 204, zoom=1.02)
    assert moved(*pair) == moved(*pair)


def test_a_soft_wall_with_noise_is_no_cut() -> None:
    y, x = np.mgrid[:720, :1280]
    wall = 120 + 40 * x / 1280 + 20 * y / 720 - 60 * np.exp(-((x - 900) ** 2 + (y - 300) ** 2) / 7200)
    views = [
        np.repeat(np.clip(wall + RNG.normal(0, 1.2, wall.shape), 0, 255).astype(np.uint8)[..., None], 3, 2)
        for _ in range(6)
    ]
    assert min(moved(one, other).support for one, other in itertools.pairwise(views)) == 1
