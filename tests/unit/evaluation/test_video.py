"""Evaluation: which faces count as visible, and what else was hidden, on labels and pictures made by hand."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from test_cli import faceblur

from conftest import moving_face, picture, write_clip
from faceblur import evaluation, images, options, pipeline
from faceblur.context import Context
from faceblur.domain import Box, Motion, Region
from faceblur.errors import SourceError, UsageError
from faceblur.evaluation import Labels, Mask, Tally, Truth, steadiness
from faceblur.images import Image
from faceblur.temporal import Evidence, Solved

FACE = Box(10, 10, 30, 30)  # its middle is 14 to 26
WIDTH, HEIGHT = 96, 64


def hidden(*boxes: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def visible(mask: Mask | None, face: Box = FACE, unlit: Mask | None = None) -> int:
    tally = Tally()
    tally.add(Labels((("1", face),)), mask, unlit)
    return tally.visible[0]


def counted(*frames: tuple[dict[str, Box], Mask | None]) -> evaluation.Figures:
    """The figures of frames with these faces and hidden pixels."""
    tally = Tally()
    for faces, mask in frames:
        tally.add(Labels(tuple(faces.items())), mask)
    return tally.figures("test")


# The rule


@pytest.mark.parametrize(("pixels", "seen"), [(100, 0), (95, 0), (94, 1), (0, 1)])
def test_a_face_is_hidden_when_95_percent_of_its_middle_are(pixels: int, seen: int) -> None:
    face = Box(10, 10, 26, 26)  # its middle is 13.2 to 22.8, which touches 10 rows and 10 columns
    mask = hidden((10, 10, 26, 26))
    mask[13:23, 13:23] = (np.arange(100) < pixels).reshape(10, 10)
    assert visible(mask, face) == seen


def test_only_the_middle_of_a_face_counts() -> None:
    assert visible(hidden((14, 14, 26, 26))) == 0


def test_a_pixel_that_the_middle_only_touches_counts() -> None:
    face = Box(10, 10, 11.5, 11.5)  # its middle is 10.3 to 11.2
    assert visible(hidden((10, 10, 11, 12)), face) == 1
    assert visible(hidden((10, 10, 12, 11)), face) == 1
    assert visible(hidden((10, 10, 12, 12)), face) == 0


def test_pixels_that_were_dark_before_are_left_out_of_a_faces_share() -> None:
    upper = hidden((14, 14, 26, 20))
    assert visible(upper) == 1
    assert visible(upper, unlit=hidden((14, 20, 26, 26))) == 0


def test_pixels_that_were_dark_before_do_not_hide_the_rest() -> None:
    assert visible(hidden(), unlit=hidden((14, 14, 26, 25))) == 1


def test_a_face_of_which_everything_was_dark_is_hidden() -> None:
    assert visible(hidden(), unlit=hidden((10, 10, 30, 30))) == 0


# People and time


def test_a_person_visible_in_one_frame_is_counted_once() -> None:
    bare, covered = ({"1": FACE}, hidden()), ({"1": FACE}, hidden((0, 0, WIDTH, HEIGHT)))
    figures = counted(covered, bare, covered, bare)
    assert (figures.leaked, figures.exposed, figures.people) == (0.5, 1, 1)


def test_people_never_visible_count_as_people() -> None:
    figures = counted(({"1": FACE, "2": Box(50, 10, 70, 30)}, hidden((10, 10, 30, 30))))
    assert figures.shown == 0.5


def test_the_longest_run_is_that_of_one_person() -> None:
    other = Box(50, 10, 70, 30)
    frames = [
        ({"1": FACE, "2": other}, hidden((50, 10, 70, 30)) if i < 3 else hidden((10, 10, 30, 30))) for i in range(5)
    ]
    assert counted(*frames).longest == 3


def test_a_frame_in_which_the_face_is_hidden_ends_a_run() -> None:
    bare, covered = ({"1": FACE}, hidden()), ({"1": FACE}, hidden((10, 10, 30, 30)))
    assert counted(bare, bare, covered, bare).longest == 2


def test_a_frame_without_the_face_ends_a_run() -> None:
    assert counted(({"1": FACE}, hidden()), ({}, hidden()), ({"1": FACE}, hidden())).longest == 1


def test_a_video_without_faces_has_no_leaks() -> None:
    figures = counted(({}, hidden()))
    assert (figures.leaked, figures.shown, figures.longest) == (0, 0, 0)


# Beyond the faces


def test_what_is_hidden_away_from_faces_is_extra() -> None:
    figures = counted(({"1": FACE}, hidden((80, 50, 90, 60))))
    assert figures.extra == pytest.approx(100 / (WIDTH * HEIGHT))


def test_half_a_face_around_a_face_is_free() -> None:
    assert counted(({"1": FACE}, hidden((0, 0, 40, 40)))).extra == 0
    assert counted(({"1": FACE}, hidden((0, 0, 41, 40)))).extra == pytest.approx(40 / (WIDTH * HEIGHT))


def test_ignored_faces_need_not_be_hidden_and_may_be() -> None:
    for mask in (hidden(), hidden((0, 0, 40, 40))):
        tally = Tally()
        tally.add(Labels(ignored=(FACE,)), mask)
        assert (tally.faces, tally.visible, tally.beyond) == (0, [0], [0.0])


# Steadiness


def tracks(*boxes: Box | None) -> list[Solved]:
    """A track that has these boxes in frame after frame."""
    found = [() if box is None else (Region(box, "face", "detection", 0.9, "1.1"),) for box in boxes]
    return [Solved(number, regions) for number, regions in enumerate(found, start=1)]


def evidence(*motions: Motion | None) -> list[Evidence]:
    return [Evidence(number, number, (), motion) for number, motion in enumerate(motions, start=1)]


def test_a_region_that_goes_with_the_camera_is_steady() -> None:
    turned = Motion(a=1.2, b=0.0, dx=5, dy=-3)
    moved = Box(1.2 * 10 + 5, 1.2 * 10 - 3, 1.2 * 30 + 5, 1.2 * 30 - 3)
    assert steadiness(evidence(None, turned), tracks(FACE, moved)) == pytest.approx(1)


def test_a_camera_that_rolls_takes_the_middle_of_a_region_along() -> None:
    quarter = Motion(a=0.0, b=1.0, dx=60, dy=0)  # (20, 20) goes to (40, 20)
    assert steadiness(evidence(None, quarter), tracks(FACE, Box(30, 10, 50, 30))) == pytest.approx(1)


def test_a_region_that_stands_still_while_the_camera_moves_is_not_steady() -> None:
    assert steadiness(evidence(None, Motion(dx=10)), tracks(FACE, FACE)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("motion", [None, Motion(support=0.01)], ids=["unknown", "cut"])
def test_regions_on_both_sides_of_a_cut_are_not_compared(motion: Motion | None) -> None:
    assert steadiness(evidence(None, motion), tracks(FACE, Box(50, 10, 70, 30))) is None


def test_regions_with_a_frame_between_them_are_not_compared() -> None:
    assert steadiness(evidence(None, Motion(), Motion()), tracks(FACE, None, FACE)) is None


# Masks


@pytest.mark.parametrize("shape", ["ellipse", "box"])
def test_the_mask_is_what_a_solid_fill_makes_black(shape: str, clip: Path, context: Callable[..., Context]) -> None:
    solid = context(style="solid", shape=shape)
    job = pipeline.open_job(clip, solid)
    pipeline.blur(job, solid, every=True)
    for number in (1, 6, 12):
        mask = evaluation.mask(job.solution.regions(number), WIDTH, HEIGHT, shape)
        assert mask.any()
        assert np.array_equal(mask, (images.read(job.pictures.blurred_path(number)) == 0).all(axis=2))


# A source and its detectors


def boxes_of(count: int) -> list[list[list[float]]]:
    """The labels of the face in `moving_face(count)`."""
    lefts = [4 + i * 72 // count for i in range(count)]
    return [[[left, 20, left + 16, 36, "green"]] for left in lefts]


def write_truth(path: Path, faces: Sequence[object], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    value = {"width": size[0], "height": size[1], "frames": faces, "ignored": [[] for _ in faces]}
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """The truth of `clip`."""
    return write_truth(tmp_path / "clip.gt.json", boxes_of(12))


@pytest.mark.parametrize("kind", ["frames", "ignored"])
def test_boxes_that_are_inside_out_are_no_truth(truth: Path, kind: str) -> None:
    """Left, top, width and height by mistake: of such faces nothing would ever leak."""
    value = json.loads(truth.read_text())
    value[kind][3] = [[200, 150, 40, 40, "1"][: 5 if kind == "frames" else 4]]
    truth.write_text(json.dumps(value))
    with pytest.raises(SourceError, match="ends before it begins"):
        Truth.read(truth)


@pytest.mark.parametrize("text", ['{"width": Infinity, "height": 1, "frames": [], "ignored": []}', "[" * 99999])
def test_what_python_stumbles_over_is_no_truth(truth: Path, text: str) -> None:
    truth.write_text(text)
    with pytest.raises(SourceError, match="is not a truth file"):
        Truth.read(truth)


def test_a_detector_that_finds_all_faces_leaks_none(clip: Path, truth: Path, context: Callable[..., Context]) -> None:
    solved, alone = evaluation.video(clip, Truth.read(truth), context(), ["null"])
    assert (solved.name, alone.name) == ("null", "null, each look alone")
    for figures in (solved, alone):
        assert (figures.leaked, figures.faces, figures.exposed, figures.longest) == (0, 12, 0, 0)
        assert (figures.regions or 0) >= 12


def test_a_face_that_is_lost_for_a_frame_is_visible_only_without_the_solve(
    tmp_path: Path, context: Callable[..., Context]
) -> None:
    shown = [picture(faces=[(20, 20, 36, 36)] if i != 6 else (), seed=0) for i in range(12)]
    clip = write_clip(tmp_path / "gap.mp4", shown)
    truth = Truth(WIDTH, HEIGHT, tuple(Labels((("1", Box(20, 20, 36, 36)),)) for _ in shown))
    solved, alone = evaluation.video(clip, truth, context(), ["null"])
    assert solved.visible == (0,) * 12
    assert alone.visible == (0,) * 6 + (1,) + (0,) * 5


def test_a_preset_that_looks_seldom_is_compared_with_one_that_does_not(
    clip: Path, truth: Path, context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(options.PRESETS, "fast", {"faces": "null"})
    results = evaluation.video(clip, Truth.read(truth), context(), ["fast", "haar"])
    assert [figures.name for figures in results][::2] == ["fast", "haar"]
    assert results[0].leaked == 0


def test_a_look_alone_holds_until_the_next_one(tmp_path: Path, context: Callable[..., Context]) -> None:
    shown = [picture(faces=[(20 + 8 * i, 20, 36 + 8 * i, 36)], seed=0) for i in range(6)]
    clip = write_clip(tmp_path / "moves.mp4", shown)
    truth = Truth(WIDTH, HEIGHT, tuple(Labels((("1", Box(20 + 8 * i, 20, 36 + 8 * i, 36)),)) for i in range(6)))
    _, alone = evaluation.video(clip, truth, context(every=3), ["null"])
    assert alone.visible == (0, 1, 1, 0, 1, 0), "the last is looked at, too"


def test_evaluating_changes_nothing_about_what_will_be_hidden(
    clip: Path, truth: Path, context: Callable[..., Context]
) -> None:
    pipeline.run(clip, context(style="solid"))
    job = pipeline.open_job(clip, context())
    before = job.plan_path.read_bytes(), job.solution.path.read_bytes()
    evaluation.video(clip, Truth.read(truth), context(threshold=0.9), ["null", "haar"])
    assert (job.plan_path.read_bytes(), job.solution.path.read_bytes()) == before
    assert not job.workers.living()


def test_a_detector_is_judged_by_its_own_evidence(clip: Path, truth: Path, context: Callable[..., Context]) -> None:
    results = evaluation.video(clip, Truth.read(truth), context(), ["haar", "null", "haar+null"])
    assert [r.leaked for r in results[::2]] == [1, 0, 0]


def test_a_higher_threshold_hides_less_and_detects_nothing_again(
    clip: Path, truth: Path, context: Callable[..., Context]
) -> None:
    labels = Truth.read(truth)
    [low, _] = evaluation.video(clip, labels, context(), ["null"])
    paths = sorted(context().options.output.rglob("detections/null/*.json"))
    times = [path.stat().st_mtime_ns for path in paths]
    [high, _] = evaluation.video(clip, labels, context(threshold=1.0), ["null"])
    assert (low.leaked, high.leaked) == (0, 1)
    assert [path.stat().st_mtime_ns for path in paths] == times


# A finished video


def filled(shown: Sequence[Image], faces: Sequence[Sequence[Sequence[float]]], grey: int = 0) -> list[Image]:
    result = []
    for image, rows in zip(shown, faces, strict=True):
        copy = image.copy()
        for left, top, right, bottom in ([int(v) for v in row[:4]] for row in rows):
            copy[top:bottom, left:right] = grey
        result.append(copy)
    return result


@pytest.fixture
def finished(tmp_path: Path, clip: Path) -> Callable[..., Path]:
    """A maker of finished videos of `clip` with its face in black, and a change to the pictures."""

    def make(change: Callable[[list[Image]], list[Image]] = list) -> Path:
        return write_clip(tmp_path / "done.mp4", change(filled(moving_face(12), boxes_of(12))))

    return make


def test_black_faces_are_hidden(clip: Path, truth: Path, finished: Callable[..., Path]) -> None:
    figures = evaluation.leaks(clip, finished(), Truth.read(truth))
    assert (figures.leaked, figures.exposed) == (0, 0)
    assert figures.extra == pytest.approx(0, abs=0.001)  # encoders blur edges


@pytest.mark.parametrize(("grey", "leaked"), [(30, 0), (50, 1)])
def test_what_is_nearly_black_counts_as_black(clip: Path, truth: Path, tmp_path: Path, grey: int, leaked: int) -> None:
    done = write_clip(tmp_path / "done.mp4", filled(moving_face(12), boxes_of(12), grey))
    assert evaluation.leaks(clip, done, Truth.read(truth)).leaked == leaked


def test_an_untouched_copy_shows_everything(clip: Path, truth: Path) -> None:
    figures = evaluation.leaks(clip, clip, Truth.read(truth))
    assert (figures.leaked, figures.exposed, figures.longest, figures.extra) == (1, 1, 12, 0)


def test_frames_that_a_finished_video_lacks_count_as_visible(
    clip: Path, truth: Path, finished: Callable[..., Path]
) -> None:
    figures = evaluation.leaks(clip, finished(lambda shown: shown[:9]), Truth.read(truth))
    assert figures.visible == (0,) * 9 + (1,) * 3
    assert figures.extra == pytest.approx(0, abs=1e-3)  # the soft edge, coded


def test_a_finished_video_of_another_size_is_compared_at_the_sources(
    clip: Path, truth: Path, finished: Callable[..., Path]
) -> None:
    doubled = finished(lambda shown: [np.repeat(np.repeat(image, 2, axis=0), 2, axis=1) for image in shown])
    assert evaluation.leaks(clip, doubled, Truth.read(truth)).leaked == 0


def test_what_was_black_in_the_source_is_not_extra(tmp_path: Path) -> None:
    dark = [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(3)]
    clip = write_clip(tmp_path / "dark.mp4", dark)
    truth = Truth(WIDTH, HEIGHT, (Labels(),) * 3)
    assert evaluation.leaks(clip, clip, truth).extra == 0


def test_the_pixels_of_a_finished_video_agree_with_the_masks(
    clip: Path, truth: Path, context: Callable[..., Context]
) -> None:
    labels, solid = Truth.read(truth), context(style="solid", shape="box", look_back=3, look_ahead=3)
    [promised, _] = evaluation.video(clip, labels, solid, ["null"])
    found = evaluation.leaks(clip, pipeline.run(clip, solid), labels)
    assert (found.visible, found.exposed) == (promised.visible, promised.exposed)
    assert found.extra == pytest.approx(promised.extra, abs=0.03)  # the soft edge, of which a pixel is much here


# Bad truth


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        '{"width": 96}',
        '{"width": 96, "height": 64, "frames": [[]], "ignored": []}',
        '{"width": 96, "height": 64, "frames": [[[1, 2, 3]]], "ignored": [[]]}',
        '{"width": 96, "height": 64, "frames": [[["a", 2, 3, 4, 5]]], "ignored": [[]]}',
        '{"width": 96, "height": 64, "frames": 3, "ignored": 3}',
    ],
)
def test_a_file_that_is_no_truth_is_a_source_error_that_names_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gt.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"bad\.gt\.json is not a truth file"):
        Truth.read(path)


@pytest.mark.parametrize("count", [11, 13])
def test_truth_of_another_number_of_frames_is_refused(count: int, clip: Path, context: Callable[..., Context]) -> None:
    truth = Truth(WIDTH, HEIGHT, (Labels(),) * count)
    with pytest.raises(UsageError, match=rf"about {count} frames of 96x64, the source has 12 frames of 96x64"):
        evaluation.video(clip, truth, context(), ["null"])
    with pytest.raises(UsageError, match="the source has 12 frames"):
        evaluation.leaks(clip, clip, truth)


def test_truth_of_another_size_is_refused(clip: Path, context: Callable[..., Context]) -> None:
    truth = Truth(HEIGHT, WIDTH, (Labels(),) * 12)
    with pytest.raises(UsageError, match="about 12 frames of 64x96"):
        evaluation.video(clip, truth, context(), ["null"])
    with pytest.raises(UsageError, match="about 12 frames of 64x96"):
        evaluation.leaks(clip, clip, truth)


# The command


def test_the_command_prints_a_row_for_each_result(clip: Path, truth: Path, tmp_path: Path) -> None:
    done = faceblur("evaluate", "video", "input/clip.mp4", "--truth", truth, "--detector", "null,haar", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [line.split("  ")[0] for line in done.stdout.splitlines()[1:]]
    assert names == ["null", "null, each look alone", "haar", "haar, each look alone"]


def test_the_command_gives_json_and_a_chart(clip: Path, truth: Path, tmp_path: Path) -> None:
    done = faceblur("evaluate", "video", clip, "--truth", truth, "--json", "--plot", "chart.png", cwd=tmp_path)
    solved, _ = json.loads(done.stdout)["results"]
    assert (solved["name"], solved["leaked"], solved["faces"], solved["people_shown"]) == ("null", 0, 12, 0)
    assert images.size(tmp_path / "chart.png")[0] > 500


def test_the_command_measures_a_finished_video(clip: Path, truth: Path, tmp_path: Path) -> None:
    done = faceblur("evaluate", "video", clip, "--truth", truth, "--redacted", clip, "--json", cwd=tmp_path)
    [result] = json.loads(done.stdout)["results"]
    assert (result["leaked"], result["people"], result["steadiness"]) == (1, 1, None)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("content", "code"), [(None, 3), ("nothing", 3), ("short", 2)], ids=["missing", "no JSON", "too short"]
)
def test_bad_truth_is_one_line_and_exit_2_or_3(clip: Path, tmp_path: Path, content: str | None, code: int) -> None:
    path = tmp_path / "bad.gt.json"
    if content == "short":
        write_truth(path, boxes_of(11))
    elif content:
        path.write_text(content)
    arguments = ("evaluate", "video", clip, "--truth", path, "--progress", "none")
    done = faceblur(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_detector_exits_2_before_anything_is_split(clip: Path, truth: Path, tmp_path: Path) -> None:
    done = faceblur("evaluate", "video", clip, "--truth", truth, "--detector", "nobody", cwd=tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / "input/clip").exists()
