"""Redaction: what is inside a region cannot be read any more, what is outside is as it was."""

from collections.abc import Iterator
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from conftest import picture
from faceblur import media
from faceblur.domain import Box, Points, Region
from faceblur.images import Image, plain
from faceblur.media.pixels import frame_of, image_of
from faceblur.media.turn import Turn
from faceblur.redaction import Style, redact, redact_planes

BLUR, PIXELATE, SOLID = Style("blur"), Style("pixelate"), Style("solid")
STYLES = [Style(kind, shape) for kind in ("blur", "pixelate", "solid") for shape in ("ellipse", "box")]  # type: ignore[arg-type]
WIDTH, HEIGHT = 96, 64
Planes = list[NDArray[np.uint8 | np.uint16]]
SOFT = 1.12  # where the soft edge ends, in half-axes of the region
# The public-domain portrait of the astronaut Eileen Collins, and her face in it, as CenterFace finds it.
PORTRAIT: Image = np.ascontiguousarray(data.astronaut()[:256, 100:356, ::-1])
FACE = Box(81.53, 58.2, 169.88, 177.81)

boxes = st.builds(
    lambda left, top, width, height: Box(left, top, left + width, top + height).rounded(),
    st.floats(-30, WIDTH + 10),
    st.floats(-30, HEIGHT + 10),
    st.floats(4, 70),
    st.floats(4, 70),
)
some_boxes = st.lists(boxes, min_size=1, max_size=5)
every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.kind}-{style.shape}")


def regions(*hidden: Box) -> list[Region]:
    return [Region(box, "face", "test", 0.9) for box in hidden]


def white(width: int = WIDTH, height: int = HEIGHT) -> Image:
    return np.full((height, width, 3), 255, np.uint8)


def radius(box: Box, shape: str = "ellipse") -> NDArray[np.float64]:
    """(H, W): how near each pixel comes to the middle of the box, in half-axes, looked at in 81 points of it."""
    parts = np.linspace(0, 1, 9)
    x = ((np.arange(WIDTH)[:, None] + parts) - (box.left + box.right) / 2) / (box.width / 2)
    y = ((np.arange(HEIGHT)[:, None] + parts) - (box.top + box.bottom) / 2) / (box.height / 2)
    x, y = np.abs(x).min(axis=1), np.abs(y).min(axis=1)
    return np.hypot(x[None], y[:, None]) if shape == "ellipse" else np.maximum(x[None], y[:, None])


@every_style
def test_the_picture_itself_stays_as_it_is(style: Style) -> None:
    image = picture()
    redact(image, regions(Box(10, 10, 50, 50)), style)
    assert np.array_equal(image, picture())


@every_style
def test_size_and_type_stay_the_same(style: Style) -> None:
    out = redact(picture(97, 63), regions(Box(10, 10, 50, 50)), style)
    assert (out.shape, out.dtype) == ((63, 97, 3), np.uint8)


def test_without_regions_nothing_changes() -> None:
    assert np.array_equal(redact(picture(), []), picture())


def test_without_regions_the_result_is_a_copy() -> None:
    image = picture()
    assert not np.shares_memory(redact(image, []), image)


@settings(max_examples=60, deadline=None)
@given(boxes)
def test_every_pixel_that_touches_the_ellipse_is_hidden_whole(box: Box) -> None:
    out = redact(white(), regions(box), SOLID)
    assert not out[radius(box) <= 1].any()


@settings(max_examples=60, deadline=None)
@given(boxes)
def test_every_pixel_that_touches_the_box_is_hidden_whole(box: Box) -> None:
    out = redact(white(), regions(box), Style("solid", "box"))
    assert not out[radius(box, "box") <= 1].any()


@every_style
@settings(max_examples=20, deadline=None)
@given(box=boxes)
def test_beyond_the_soft_edge_every_pixel_is_as_it_was(style: Style, box: Box) -> None:
    # A pixel's nearest point may lie between two of those looked at, by 1/16 px, which is 1/32 of the least half-axis.
    beyond = radius(box, style.shape) > SOFT + 1 / 32
    assert np.array_equal(redact(picture(), regions(box), style)[beyond], picture()[beyond])


def test_the_edge_is_soft() -> None:
    row = redact(white(400, 400), regions(Box(100, 100, 300, 300)), SOLID)[200, 300:, 0]
    assert len(np.unique(row[(row > 0) & (row < 255)])) >= 8


def test_the_soft_edge_only_fades_outwards() -> None:
    row = redact(white(400, 400), regions(Box(100, 100, 300, 300)), SOLID)[200, 200:, 0].astype(int)
    assert (np.diff(row) >= 0).all()


def test_mistake_13_both_sides_fade_alike() -> None:
    out = redact(white(400, 400), regions(Box(100, 100, 300, 300)), SOLID)
    assert np.array_equal(out, out[:, ::-1])
    assert np.array_equal(out, out[::-1])


def test_a_box_hides_its_corners() -> None:
    out = redact(white(), regions(Box(10, 10, 50, 50)), Style("solid", "box"))
    assert not out[10:50, 10:50].any()


def test_an_ellipse_leaves_the_corners_of_its_box() -> None:
    assert redact(white(), regions(Box(10, 10, 50, 50)), SOLID)[10, 10].tolist() == [255, 255, 255]


@every_style
def test_the_same_input_gives_the_same_bytes(style: Style) -> None:
    hidden = regions(FACE, Box(120, 160, 250, 300))
    assert np.array_equal(redact(PORTRAIT, hidden, style), redact(PORTRAIT, hidden, style))


@pytest.fixture
def threads() -> Iterator[None]:
    """Gives OpenCV its number of threads back."""
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@every_style
@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_does_not_matter(style: Style) -> None:
    large = cv2.resize(PORTRAIT, (1500, 1500)).astype(np.uint8)
    results = []
    for count in (1, 2, 5):
        cv2.setNumThreads(count)
        results.append(redact(large, regions(Box(300, 100, 1100, 1200), Box(900, 800, 1300, 1490)), style))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@pytest.mark.parametrize("view", [np.s_[:, ::-1], np.s_[::-1], np.s_[::2, ::3], np.s_[:, :, ::-1]], ids=str)
def test_a_view_of_any_kind_is_redacted_like_its_copy(view: tuple[slice, ...]) -> None:
    seen = PORTRAIT[view]
    hidden = regions(Box(30, 40, 110, 130))
    assert np.array_equal(redact(seen, hidden), redact(seen.copy(), hidden))


def test_a_picture_that_cannot_be_written_to_is_redacted() -> None:
    image = picture()
    image.flags.writeable = False
    assert not np.array_equal(redact(image, regions(Box(10, 10, 50, 50))), image)


# --- at the border, outside, tiny, huge, many -------------------------------------------------------------------------


@every_style
@pytest.mark.parametrize("x", [-15, 30, 80])
@pytest.mark.parametrize("y", [-15, 20, 50])
def test_mistake_08_a_face_at_any_border_is_hidden(style: Style, x: int, y: int) -> None:
    box = Box(x, y, x + 30, y + 30)
    inside = radius(box, style.shape) <= 0.8
    change = np.abs(redact(picture(), regions(box), style).astype(int) - picture())[inside]
    assert inside.any()
    assert change.mean() > 15


def test_mistake_08_a_hundred_faces_are_all_hidden() -> None:
    grid = [Box(20 * i + 2, 20 * j + 2, 20 * i + 18, 20 * j + 18) for i in range(10) for j in range(10)]
    out = redact(white(200, 200), regions(*grid), SOLID)
    assert [box for box in grid if out[int(box.top) + 8, int(box.left) + 8].any()] == []


@every_style
@pytest.mark.parametrize(
    "box", [Box(-50, 0, -10, 40), Box(200, 0, 240, 40), Box(0, -90, 40, -20), Box(0, 100, 40, 140)], ids=str
)
def test_a_region_outside_the_picture_changes_nothing(style: Style, box: Box) -> None:
    assert np.array_equal(redact(picture(), regions(box), style), picture())


@every_style
@pytest.mark.parametrize("box", [Box(5, 5, 5, 5), Box(9, 9, 5, 5), Box(5, 5, 5, 40)], ids=str)
def test_a_region_without_area_changes_nothing(style: Style, box: Box) -> None:
    assert np.array_equal(redact(picture(), regions(box), style), picture())


@every_style
def test_a_region_larger_than_the_picture_hides_all_of_it(style: Style) -> None:
    out = redact(picture(), regions(Box(-500, -500, 600, 600)), style)
    assert np.abs(out.astype(int) - picture()).mean() > 15


@pytest.mark.parametrize("style", [BLUR, PIXELATE, SOLID], ids=lambda style: style.kind)
@pytest.mark.parametrize("side", [1.0, 0.8, 0.3, 0.01])
@pytest.mark.parametrize(("x", "y"), [(10, 10), (0, 0), (95, 63)])
def test_a_region_of_one_pixel_and_less_hides_its_pixel(style: Style, side: float, x: int, y: int) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[y, x] = 255
    low = (1 - side) / 2
    box = Box(x + low, y + low, x + low + side, y + low + side)
    assert redact(image, regions(box), style)[y, x].max() < 128


@every_style
@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.builds(
        lambda x, y, w, h: Box(x, y, x + w, y + h),
        *([st.floats(-20, 20)] * 2),
        *([st.floats(0, 20)] * 2),
    ),
)
def test_any_region_in_any_small_picture_can_be_redacted(style: Style, width: int, height: int, box: Box) -> None:
    assert redact(picture(width, height), regions(box), style).shape == (height, width, 3)


# --- several regions --------------------------------------------------------------------------------------------------


@every_style
@settings(max_examples=15, deadline=None)
@given(hidden=some_boxes, order=st.randoms(use_true_random=False))
def test_mistake_10_the_order_of_regions_does_not_matter(style: Style, hidden: list[Box], order: Random) -> None:
    shuffled = list(hidden)
    order.shuffle(shuffled)
    out = redact(picture(), regions(*hidden), style)
    assert np.array_equal(out, redact(picture(), regions(*shuffled), style))


@settings(max_examples=40, deadline=None)
@given(some_boxes)
def test_mistake_10_the_union_of_all_regions_is_hidden_whole(hidden: list[Box]) -> None:
    out = redact(white(), regions(*hidden), SOLID)
    assert not any(out[radius(box) <= 1].any() for box in hidden)


@every_style
def test_mistake_10_a_small_region_inside_a_large_one_changes_nothing(style: Style) -> None:
    large, small = Box(10, 4, 80, 60), Box(38, 25, 52, 37)
    both = redact(picture(), regions(large, small), style)
    assert np.array_equal(both, redact(picture(), regions(large), style))


@every_style
def test_mistake_10_a_neighbour_leaves_the_rest_of_a_region_as_it_is_alone(style: Style) -> None:
    one, other = Box(5, 10, 45, 50), Box(35, 12, 75, 52)
    away = radius(other, style.shape) > SOFT + 1 / 32
    both, alone = (redact(picture(), regions(*hidden), style) for hidden in ((one, other), (one,)))
    assert np.array_equal(both[away], alone[away])


@pytest.mark.parametrize("style", [BLUR, PIXELATE], ids=lambda style: style.kind)
def test_mistake_10_neighbours_do_not_bring_detail_back(style: Style) -> None:
    image = picture(400, 400)
    row = [Box(40 + 25 * i, 150 + 7 * i, 120 + 25 * i, 250 + 7 * i) for i in range(8)]
    out = redact(image, regions(*row), style)
    inside = [
        (a.astype(float)[150 + 7 * i + 20 : 250 + 7 * i - 20, 40 + 25 * i + 20 : 120 + 25 * i - 20, 0]).ravel()
        for a in (image, out)
        for i in range(8)
    ]
    worst = max(abs(correlation(a, b)) for a, b in zip(inside[:8], inside[8:], strict=True))
    assert worst < 0.25


# --- how much can still be read ---------------------------------------------------------------------------------------


def portrait(width: int) -> tuple[Image, Box]:
    """The portrait with a face `width` pixels wide, and where the face is."""
    scale = width / FACE.width
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(PORTRAIT, None, fx=scale, fy=scale, interpolation=method).astype(np.uint8)
    return image, Box(*(value * scale for value in FACE.to_json()))


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))


def brightness(image: Image) -> NDArray[np.float64]:
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float64)


def detail(image: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """What is finer than a twelfth of the face: eyes, nose and mouth, without the light on it."""
    return image - cv2.GaussianBlur(image, (0, 0), width / 12)


def likeness(before: Image, after: Image, box: Box, width: int) -> tuple[float, float]:
    """Correlation of brightness, of all and of the detail, over the hidden pixels: those inside the ellipse."""
    y, x = np.indices(before.shape[:2]) + 0.5
    x = (x - (box.left + box.right) / 2) / (box.width / 2)
    y = (y - (box.top + box.bottom) / 2) / (box.height / 2)
    inside = np.hypot(x, y) < 1
    one, other = brightness(before), brightness(after)
    fine = correlation(detail(one, width)[inside], detail(other, width)[inside])
    return correlation(one[inside], other[inside]), fine


def readable(width: int, style: Style) -> tuple[float, float]:
    """How much is left of a face of this width: likeness with the original."""
    image, box = portrait(width)
    region = box.grow(0.15)
    return likeness(image, redact(image, regions(region), style), region, width)


# Measured at 40 to 800 px: blur 0.64 to 0.65, its detail -0.03 to 0.00; pixelate 0.71 to 0.73, its detail 0.18 to 0.24.
# What is left is the light: dark hair above, skin below. The edges of a mosaic look a little like detail.
CEILINGS = [pytest.param(BLUR, 0.68, 0.1, id="blur"), pytest.param(PIXELATE, 0.75, 0.3, id="pixelate")]
FACES = [40, 100, 400]


@pytest.mark.parametrize(("style", "overall", "fine"), CEILINGS)
@pytest.mark.parametrize("width", FACES)
def test_mistake_09_a_hidden_face_is_not_readable_at_any_size(
    width: int, style: Style, overall: float, fine: float
) -> None:
    left = readable(width, style)
    assert (left[0] < overall, abs(left[1]) < fine) == (True, True), left


@pytest.mark.parametrize("style", [BLUR, PIXELATE], ids=lambda style: style.kind)
def test_mistake_09_a_large_face_is_as_unreadable_as_a_small_one(style: Style) -> None:
    overall, fine = zip(*(readable(width, style) for width in FACES), strict=True)
    assert (max(overall) - min(overall) < 0.05, max(fine) - min(fine) < 0.1) == (True, True), (overall, fine)


def test_mistake_09_this_measure_sees_a_kernel_that_is_too_small() -> None:
    image, box = portrait(400)
    overall, fine = likeness(image, cv2.GaussianBlur(image, (99, 99), 0), box.grow(0.15), 400)
    assert (overall > 0.9, fine > 0.7) == (True, True), (overall, fine)


@pytest.mark.parametrize("style", [Style("blur", "box"), Style("pixelate", "box")], ids=lambda style: style.kind)
def test_detail_finer_than_a_cell_leaves_no_trace(style: Style) -> None:
    """Two pictures that differ only in which pixels of each cell are light look the same when hidden."""
    fine = np.indices((120, 120)).sum(axis=0) % 2 * 255
    one, other = (np.repeat(a[:, :, None], 3, axis=2).astype(np.uint8) for a in (fine, 255 - fine))
    hidden = regions(Box(-10, -10, 130, 130))
    difference = redact(one, hidden, style).astype(int) - redact(other, hidden, style)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("width", [60, 400])
def test_blur_leaves_no_steps(width: int) -> None:
    """Colours fall smoothly: between two pixels by no more than all of black and white spread over a cell."""
    image, box = portrait(width)
    out = brightness(redact(image, regions(box.grow(0.15)), Style("blur", "box")))
    inside = out[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
    assert max(np.abs(np.diff(inside, axis=axis)).max() for axis in (0, 1)) <= max(2, 255 / (width / 6))


# More bits, alpha, and planes


@every_style
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_16_bits_are_hidden_as_8_bits_are(style: Style, channels: int | None) -> None:
    shape = (HEIGHT, WIDTH) if channels is None else (HEIGHT, WIDTH, channels)
    image = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    hidden = regions(Box(10.3, 8, 50, 52.1), Box(70, 40, 120, 90))
    shallow, deep = redact(image, hidden, style), redact(image.astype(np.uint16) * 257, hidden, style)
    assert (deep.dtype, deep.shape) == (np.uint16, shape)
    assert np.abs(deep / 257 - shallow).max() < 4  # every step of the 8 bits is rounded


@every_style
def test_beyond_the_soft_edge_16_bits_are_as_they_were(style: Style) -> None:
    image = np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH, 4)).astype(np.uint16)
    box = Box(20.4, 10, 60, 50.7)
    beyond = radius(box, style.shape) > SOFT + 1 / 32
    assert np.array_equal(redact(image, regions(box), style)[beyond], image[beyond])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_solid_is_opaque(kind: type) -> None:
    out = redact(np.full((HEIGHT, WIDTH, 4), 9, kind), regions(Box(10, 10, 50, 50)), SOLID)
    assert out[30, 30].tolist() == [0, 0, 0, np.iinfo(kind).max]


SPANS = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2), "411": (4, 1)}
every_chroma = pytest.mark.parametrize("chroma", SPANS)


def noise_planes(chroma: str, depth: int, *, alpha: bool = False, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Planes:
    """Planes of noise that is as fine as they can hold."""
    (width, height), (across, down) = size, SPANS[chroma]
    small = (-(-height // down), -(-width // across))
    rng = np.random.default_rng(depth)
    shapes = [(height, width), small, small] + [(height, width)] * alpha
    return [rng.integers(0, 1 << depth, shape).astype(np.uint8 if depth == 8 else np.uint16) for shape in shapes]


def spread(plane: NDArray[Any], chroma: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> NDArray[Any]:
    """A plane of chroma at the size of the picture, each sample repeated."""
    across, down = SPANS[chroma]
    return np.repeat(np.repeat(plane, down, 0), across, 1)[: size[1], : size[0]]


@every_style
@every_chroma
@settings(max_examples=8, deadline=None)
@given(box=boxes)
def test_in_planes_all_that_a_picture_hides_is_hidden_and_no_more(style: Style, chroma: str, box: Box) -> None:
    planes = noise_planes(chroma, 10, alpha=True)
    before = [plane.copy() for plane in planes]
    out = redact_planes(planes, regions(box), style, depth=10, limited=True)
    across, down = SPANS[chroma]
    far = radius(box.grow(0), style.shape) > SOFT + 1 / 32
    black = redact_planes(planes, regions(box), Style("solid", style.shape), depth=10, limited=True)
    for number, (was, is_, dark) in enumerate(zip(before, out, black, strict=True)):
        assert np.array_equal(planes[number], was)
        assert (is_.dtype, is_.shape) == (was.dtype, was.shape)
        whole = (was, is_) if number in (0, 3) else (spread(was, chroma), spread(is_, chroma))
        if number in (0, 3):
            assert np.array_equal(whole[0][far], whole[1][far])
        # A sample changes only where a pixel of its block is in the mask, or the smallest region of its own grid is.
        reach = Box(box.left - across, box.top - down, box.right + across, box.bottom + down)
        away = radius(reach, "box") > SOFT + 0.2
        assert np.array_equal(whole[0][away], whole[1][away])
        shown = dark if number in (0, 3) else spread(dark, chroma)
        assert (shown[radius(box, style.shape) <= 1] == (64, 512, 512, 1023)[number]).all()


@every_chroma
@pytest.mark.parametrize("style", [BLUR, PIXELATE])
@pytest.mark.parametrize("size", [(97, 63), (96, 64)])
def test_fine_patterns_are_gone_from_every_plane(style: Style, chroma: str, size: tuple[int, int]) -> None:
    planes = noise_planes(chroma, 8, size=size)
    out = redact_planes(planes, regions(Box(8, 4, 80, 60)), Style(style.kind, "box"), depth=8, limited=False)
    for was, is_ in zip(planes, out, strict=True):
        window = tuple(slice(round(0.25 * side), round(0.75 * side)) for side in was.shape)
        a, b = was[window].astype(float), is_[window].astype(float)
        assert b.std() < 0.35 * a.std()
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.35


def test_a_face_that_only_chroma_shows_is_gone_as_it_is_from_a_picture() -> None:
    yuv = cv2.cvtColor(PORTRAIT, cv2.COLOR_BGR2YCrCb)
    face = cv2.resize(yuv[:, :, 0], (128, 128), interpolation=cv2.INTER_AREA)
    planes = [np.full((256, 256), 128, np.uint8), face.astype(np.uint8), np.full((128, 128), 128, np.uint8)]
    out = redact_planes(planes, regions(FACE), BLUR, depth=8, limited=True)
    small = Box(FACE.left / 2, FACE.top / 2, FACE.right / 2, FACE.bottom / 2)
    alike = redact(planes[1], regions(small), BLUR)
    left, top, right, bottom = (round(v) for v in small.grow(-0.2).to_json())
    within = (slice(top, bottom), slice(left, right))

    def detail(plane: NDArray[np.uint8]) -> float:
        return float(cv2.Laplacian(plane[within].astype(np.float32), cv2.CV_32F).std())

    assert detail(out[1]) < 0.15 * detail(planes[1])
    assert detail(out[1]) <= 1.05 * detail(alike)


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_solid_is_black_in_every_depth_and_range(depth: int, limited: bool) -> None:
    planes = noise_planes("420", depth, alpha=True)
    out = redact_planes(planes, regions(Box(20, 20, 60, 60)), SOLID, depth=depth, limited=limited)
    unit = 1 << (depth - 8)
    assert [int(out[i][40 // n, 40 // n]) for i, n in enumerate((1, 2, 2, 1))] == [
        16 * unit * limited,
        128 * unit,
        128 * unit,
        (1 << depth) - 1,
    ]


@every_style
def test_packed_and_grey_planes_are_hidden_as_pictures_are(style: Style) -> None:
    hidden = regions(Box(10, 10, 50, 50))
    image, grey = picture(), np.ascontiguousarray(picture()[:, :, 0])
    [packed] = redact_planes([image], hidden, style, depth=8, limited=False)
    [single] = redact_planes([grey], hidden, style, depth=8, limited=False)
    assert np.array_equal(packed, redact(image, hidden, style))
    assert np.array_equal(single, redact(grey, hidden, style))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p", "yuv420p12le"])
@pytest.mark.parametrize("style", [BLUR, PIXELATE])
def test_planes_show_as_little_of_a_face_as_pictures_do(style: Style, pixel_format: str) -> None:
    deep = pixel_format.endswith("le")
    image = PORTRAIT.astype(np.uint16) * 257 if deep else PORTRAIT
    frame = frame_of(image, pixel_format, (1, 1, 1, 1))
    depth = frame.format.components[0].bits
    hidden = redact_planes(media.planes(frame), regions(FACE), style, depth=depth, limited=True)
    shown = plain(image_of(media.from_planes(hidden, frame), (256, 256), Turn())).astype(int)
    wanted = redact(PORTRAIT, regions(FACE), style).astype(int)
    left, top, right, bottom = (round(v) for v in FACE.to_json())
    differs = np.abs(shown - wanted)[top:bottom, left:right]
    assert differs.mean() < 4
    faces = [cv2.Laplacian(p[top:bottom, left:right].astype(np.float32), cv2.CV_32F).std() for p in (shown, wanted)]
    assert faces[0] < 1.3 * faces[1]


# Polygons


def rectangle(x: float, y: float, width: float, height: float, angle: float) -> Points:
    """The corners of a rectangle with its middle at (x, y), turned by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    corners = [(a * width / 2, b * height / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return tuple((float(x + a * cos - b * sin), float(y + a * sin + b * cos)) for a, b in corners)


turned = st.builds(
    rectangle, st.floats(-10, 106), st.floats(-10, 74), st.floats(8, 70), st.floats(6, 30), st.floats(-1.5, 1.5)
)


def polygon(points: Points) -> Region:
    across, down = zip(*points, strict=True)
    return Region(Box(min(across), min(down), max(across), max(down)), "plate", "test", 0.9, "", points)


def beyond(points: Points) -> NDArray[np.float64]:
    """(H, W): how far outside the polygon, in pixels, each pixel is at its nearest of 25 points; negative inside."""
    parts = np.linspace(0, 1, 5)
    contour = np.array(points, dtype=np.float32)
    grid = [[(x + a, y + b) for a in parts for b in parts] for y in range(HEIGHT) for x in range(WIDTH)]
    near = [-max(cv2.pointPolygonTest(contour, point, True) for point in points) for points in grid]
    return np.array(near).reshape(HEIGHT, WIDTH)


@every_style
@settings(max_examples=3, deadline=None)
@given(points=turned)
def test_a_polygon_hides_every_pixel_that_it_touches_and_none_far_from_it(style: Style, points: Points) -> None:
    region, far = polygon(points), beyond(points)
    assert not redact(white(), [region], Style("solid", style.shape))[far <= 0].any()
    changed = redact(picture(), [region], style)
    edge = 0.06 * min(region.box.width, region.box.height)
    outside = far > 3 * edge + 1.5  # at a sharp corner the soft edge reaches farther than beside a side
    assert np.array_equal(changed[outside], picture()[outside])


@every_chroma
@settings(max_examples=3, deadline=None)
@given(points=turned)
def test_in_planes_a_polygon_hides_all_that_it_hides_in_a_picture(chroma: str, points: Points) -> None:
    out = redact_planes(noise_planes(chroma, 10), [polygon(points)], SOLID, depth=10, limited=True)
    inside = beyond(points) <= 0
    assert (out[0][inside] == 64).all()
    assert all((spread(plane, chroma)[inside] == 512).all() for plane in out[1:])


def test_a_polygon_is_hidden_whichever_way_around_its_corners_are_told() -> None:
    points = rectangle(48, 32, 60, 20, 0.4)
    there, back = (redact(white(), [polygon(p)], SOLID) for p in (points, points[::-1]))
    assert np.array_equal(there, back)


def test_a_polygon_leaves_the_corners_of_its_box() -> None:
    region = polygon(rectangle(48, 32, 60, 12, 0.6))
    out = redact(white(), [region], Style("solid", "box"))
    assert out[int(region.box.top) + 1, int(region.box.right) - 2].tolist() == [255, 255, 255]


def test_corners_that_make_no_polygon_hide_the_whole_box() -> None:
    flat = ((10.0, 10.0), (50.0, 30.0), (50.0, 30.0), (10.0, 10.0))
    assert not redact(white(), [polygon(flat)], SOLID)[10:30, 10:50].any()


def test_polygons_in_one_box_give_the_same_whatever_their_order() -> None:
    one, other = (polygon(rectangle(48, 32, 60, 12, angle)) for angle in (0.5, -0.5))
    assert np.array_equal(redact(picture(), [one, other]), redact(picture(), [other, one]))


@pytest.mark.parametrize("depth", [9, 10, 12])
def test_no_sample_is_brighter_than_its_depth_allows(depth: int) -> None:
    top = (1 << depth) - 1
    edge = np.zeros((64, 64), np.uint16)
    edge[:, 32:] = top
    regions = [Region(Box(8, 8, 56, 56), "face", "detection", 1.0)]
    [hidden] = redact_planes([edge], regions, Style("blur"), depth=depth, limited=True)
    assert hidden.max() == top
