"""Detectors on photos: what is found, what would be hidden, and what is told about it, with painted faces."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from test_cli import faceblur

from conftest import picture
from faceblur import detectors, evaluation, images, options, temporal, weights
from faceblur.context import Context
from faceblur.domain import Box, Detection
from faceblur.errors import FaceblurError, Interrupted, SourceError, UsageError
from faceblur.evaluation import Result
from faceblur.evaluation.photos import _together, f1, photo, times
from faceblur.progress import Progress, Step

Corners = tuple[int, int, int, int]
LEFT, RIGHT = (20, 20, 40, 40), (100, 20, 120, 40)
WIDTH, HEIGHT = 160, 96
ORIENTATION = 0x0112  # of EXIF
HIDDEN_PX = 28  # of 20: a margin of 3 px on each side, and the pixel that its end touches


def painted(*faces: Corners) -> np.ndarray:
    return picture(WIDTH, HEIGHT, faces)


class Album:
    """A folder of photos with painted faces, and their labels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.truth = folder / "photos", folder / "labels.json"
        self._labels: dict[str, Mapping[str, object]] = {}

    def add(
        self, name: str, shown: Sequence[Corners], labelled: Sequence[Corners] | None = None, **sets: object
    ) -> None:
        """A photo with painted faces; they are what is labelled, unless it is said otherwise."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), painted(*shown))
        self._labels[name] = {"boxes": [*(shown if labelled is None else labelled)], **sets}
        self.truth.write_text(json.dumps(self._labels))

    def results(self, context: Context, *names: str, limit: int | None = None) -> list[Result]:
        return evaluation.photos(self.folder, self.truth, context, names or ["null"], limit)


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return Album(tmp_path)


def only(album: Album, context: Callable[..., Context], **settings: object) -> Result:
    [result] = album.results(context(**settings))
    return result


# What is found and hidden


def test_faces_that_are_found_are_right_and_covered(album: Album, context: Callable[..., Context]) -> None:
    album.add("event/a.png", [LEFT, RIGHT])
    result = only(album, context)
    assert (result.average("all"), result.curve.area, result.operating) == (1, 1, (1, 1))
    assert (result.covered().faces, result.covered().missed) == (2, 0)
    assert result.missed() == []


def test_a_face_that_is_not_found_is_missed(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT], [LEFT, RIGHT])
    result = only(album, context)
    assert (result.average("all"), result.operating) == (0.5, (1, 0.5))
    assert result.covered().missed == 0.5
    assert result.missed() == [("a.png", 1)]


def test_what_is_found_elsewhere_is_wrong_and_hides_more(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT, RIGHT], [LEFT])
    result = only(album, context, shape="box")
    assert result.operating == (0.5, 1)
    assert result.extra == pytest.approx((HIDDEN_PX**2 + HIDDEN_PX**2 - 20**2) / (WIDTH * HEIGHT))


def test_what_is_hidden_on_any_label_is_not_extra(album: Album, context: Callable[..., Context]) -> None:
    sets = {"easy": [0], "medium": [0], "hard": [0]}
    album.add("a.png", [LEFT, RIGHT], [LEFT, (90, 10, 130, 50)], **sets)
    assert only(album, context, shape="box").extra == pytest.approx((HIDDEN_PX**2 - 20**2) / (WIDTH * HEIGHT))


def test_the_mask_is_an_ellipse_unless_it_is_asked_for_a_box(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT])
    assert only(album, context).extra < only(album, context, shape="box").extra


@pytest.mark.parametrize(("right", "missed"), [(54, 0), (55, 1)])
def test_a_face_is_covered_from_70_percent_of_its_box_on(
    right: int, missed: int, album: Album, context: Callable[..., Context]
) -> None:
    album.add("a.png", [LEFT], [(20, 20, right, 40)])  # hidden until 44: 24 columns of 34 or of 35
    assert len(only(album, context, shape="box").missed()) == missed


def test_a_threshold_of_one_hides_nothing_but_leaves_the_curve(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT])
    result = only(album, context, threshold=1.0)
    assert (result.operating, result.covered().missed, result.extra) == ((0, 0), 1, 0)
    assert result.average("all") == 1


def test_what_is_believed_is_what_is_hidden() -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 400, (60, 2))
    said = [
        Detection(Box(x, y, x + w, y + w), score, "face", name)
        for (x, y), w, score, name in zip(
            corners, rng.uniform(5, 200, 60), rng.uniform(0.05, 1, 60), ["centerface", "yunet"] * 30, strict=True
        )
    ]
    for part in (said, said[::2], []):
        rows, believed = _together(part, temporal.Settings())
        assert len(rows) == len(believed) <= len(part)
        assert believed.sum() == len(temporal.regions(part))


def test_several_detectors_together_hide_what_either_finds(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT, RIGHT])
    alone, both = album.results(context(), "haar", "haar+null")
    assert (alone.covered().missed, both.covered().missed) == (1, 0)
    assert both.operating == (1, 1)


# Which faces count


def test_each_set_has_a_precision_of_its_own(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT], [LEFT, RIGHT], easy=[0], medium=[0], hard=[0, 1])
    result = only(album, context)
    assert [result.average(name) for name in result.sets] == [1, 1, 0.5]
    assert (result.widest, result.operating[1]) == ("hard", 0.5)


def test_faces_are_counted_by_width_and_those_below_8_px_are_not(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [], [(0, 0, 7, 30), (0, 0, 8, 8), (0, 0, 12, 30), (50, 0, 146, 90)])
    result = only(album, context)
    assert [part.faces for part in result.bins] == [1, 1, 0, 0, 0, 1]
    assert [part.missed for part in result.bins] == [1, 1, None, None, None, 1]
    assert (result.covered().faces, result.covered(96).faces) == (3, 1)
    assert [index for _, index in result.missed()] == [3, 2, 1, 0]


def test_shares_are_of_the_photo_that_they_are_about(
    album: Album, context: Callable[..., Context], tmp_path: Path
) -> None:
    album.add("a.png", [(32, 24, 48, 48)])
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo/a.txt").write_text(f"0 {40 / WIDTH} {36 / HEIGHT} {16 / WIDTH} {24 / HEIGHT}")
    [result] = evaluation.photos(album.folder, tmp_path / "yolo", context(), ["null"])
    assert result.faces["a.png"].boxes[0].rounded() == Box(32, 24, 48, 48)
    assert result.average("all") == 1


# Which photos


def test_a_limit_spreads_the_photos_evenly(album: Album, context: Callable[..., Context]) -> None:
    for number in range(10):
        album.add(f"{number}.png", [LEFT])
    [result] = album.results(context(), limit=3)
    assert list(result.seen) == ["0.png", "3.png", "6.png"]
    assert len(album.results(context(), limit=40)[0].seen) == 10


def test_photos_without_labels_are_left_out(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT])
    cv2.imwrite(str(album.folder / "b.png"), painted(LEFT))
    assert list(only(album, context).seen) == ["a.png"]


def test_labels_of_other_photos_are_refused(album: Album, context: Callable[..., Context], tmp_path: Path) -> None:
    album.add("a.png", [LEFT])
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="names none of the 0 photos"):
        evaluation.photos(tmp_path / "other", album.truth, context(), ["null"])
    with pytest.raises(SourceError, match="not a folder"):
        evaluation.photos(tmp_path / "nowhere", album.truth, context(), ["null"])


def test_labels_of_a_picture_of_another_size_are_refused(
    album: Album, context: Callable[..., Context], tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        album.add(name, [LEFT])
    truth = tmp_path / "labels.txt"
    truth.write_text(f"# a.png {WIDTH} {HEIGHT}\n1 1 9 9\n# b.png {WIDTH} {HEIGHT + 1}\n")
    with pytest.raises(UsageError, match=rf"b\.png are about {WIDTH}x{HEIGHT + 1} .* has {WIDTH}x{HEIGHT}"):
        evaluation.photos(album.folder, truth, context(), ["null"])


def test_figures_of_what_took_a_detectors_place_say_so(
    album: Album, context: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album.add("a.png", [LEFT])
    for name in detectors.needs("fast.2"):
        monkeypatch.setitem(weights.TABLE, name, replace(weights.TABLE[name], urls=(), wheel=""))
    monkeypatch.setitem(options.SUBSTITUTES, "fast.2", "null")
    made = context(weights=(tmp_path / "weights",))
    one, other = evaluation.photos(album.folder, album.truth, made, ["null", "fast"])
    assert (one.to_json()["detectors"], one.to_json()["missing"]) == (["null"], {})
    assert (other.to_json()["name"], other.to_json()["detectors"]) == ("fast", ["null"])
    assert list(other.to_json()["missing"]) == ["fast.2"]
    told = [line for line in evaluation.photo_lines([one, other]) if "could not be had" in line]
    assert [line.partition(" took")[0] for line in told] == ["fast: fast.2 could not be had, null"]


def test_the_size_that_labels_state_is_that_of_the_upright_photo(
    album: Album, context: Callable[..., Context], tmp_path: Path
) -> None:
    album.folder.mkdir()
    turned = Image.Exif()
    turned[ORIENTATION] = 6  # a quarter turn
    Image.fromarray(painted(LEFT)).save(album.folder / "a.jpg", exif=turned)
    truth = tmp_path / "labels.txt"
    truth.write_text(f"# a.jpg {HEIGHT} {WIDTH}\n1 1 9 9\n")
    [result] = evaluation.photos(album.folder, truth, context(), ["null"])
    assert (result.seen["a.jpg"].width, result.seen["a.jpg"].height) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_a_photo_that_cannot_be_read_is_named(data: bytes, album: Album, context: Callable[..., Context]) -> None:
    album.add("bad.jpg", [LEFT])
    (album.folder / "bad.jpg").write_bytes(data)
    with pytest.raises(SourceError, match=r"bad\.jpg is not a photo"):
        only(album, context)


@pytest.fixture
def damaged(album: Album) -> Album:
    """An album whose first and last photo cannot be read; a face of the one in between is not found."""
    for name in ("a.png", "b.png", "c.png"):
        album.add(name, [LEFT], [LEFT, RIGHT])
    for name in ("a.png", "c.png"):
        (album.folder / name).write_bytes(b"no picture")
    return album


def test_photos_that_cannot_be_read_are_told_of_and_left_out(damaged: Album, context: Callable[..., Context]) -> None:
    told: list[FaceblurError] = []
    [result] = evaluation.photos(damaged.folder, damaged.truth, context(), ["null"], failed=told.append)
    assert [Path(str(error).split(" is not ")[0]).name for error in told] == ["a.png", "c.png"]
    assert (list(result.seen), list(result.faces), result.covered().missed) == (["b.png"], ["b.png"], 0.5)


def test_where_no_photo_can_be_read_there_is_no_result(damaged: Album, context: Callable[..., Context]) -> None:
    (damaged.folder / "b.png").write_bytes(b"")
    with pytest.raises(SourceError, match="none of the 3 photos"):
        evaluation.photos(damaged.folder, damaged.truth, context(), ["null"], failed=lambda error: None)


def test_photos_of_any_kind_are_read(tmp_path: Path) -> None:
    for ending in (".jpg", ".png", ".bmp", ".webp"):
        cv2.imwrite(str(tmp_path / f"a{ending}"), painted(LEFT))
        assert photo(tmp_path / f"a{ending}").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("ending", [".tif", ".TIFF", ".gif", ".avif"])
def test_photos_of_every_kind_that_run_takes_are_seen(
    ending: str, album: Album, context: Callable[..., Context]
) -> None:
    album.folder.mkdir()
    Image.fromarray(painted(LEFT)).save(album.folder / f"a{ending}")
    album.truth.write_text(json.dumps({f"a{ending}": {"boxes": [LEFT]}}))
    seen = only(album, context).seen[f"a{ending}"]
    assert (seen.width, seen.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_photos_of_any_kind_are_turned_upright(ending: str, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    Image.fromarray(painted(LEFT)).save(tmp_path / f"a{ending}", exif=turned)
    assert photo(tmp_path / f"a{ending}").shape == (WIDTH, HEIGHT, 3)


# How it is done


def test_it_stops_when_somebody_asks(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT])
    asked = context()
    asked.stop.ask()
    with pytest.raises(Interrupted):
        album.results(asked)


def test_every_photo_is_progress(album: Album, context: Callable[..., Context]) -> None:
    done: list[int] = []

    class Told(Progress):
        def update(self, step: Step) -> None:
            done.append(step.done)

    for number in range(3):
        album.add(f"{number}.png", [LEFT])
    evaluation.photos(album.folder, album.truth, Context(context().options, Told()), ["null"])
    assert done == [1, 2, 3]


def test_opencv_has_its_threads_back_afterwards(album: Album, context: Callable[..., Context]) -> None:
    before = cv2.getNumThreads()
    album.add("a.png", [LEFT])
    only(album, context)
    assert cv2.getNumThreads() == before


def test_times_are_those_of_all_members_and_compared_with_centerface(
    album: Album, context: Callable[..., Context]
) -> None:
    album.add("a.png", [LEFT])
    one, other, both = album.results(context(), "null", "haar", "null+haar")
    assert both.milliseconds[1] == pytest.approx(one.milliseconds[1] + other.milliseconds[1])
    assert times([one, other]) == [None, None]
    base = Result("centerface", one.folder, one.faces, one.seen, one.options)
    assert times([both, base]) == [pytest.approx(both.milliseconds[1] / one.milliseconds[1]), 1]


def test_the_trade_is_that_of_each_threshold(album: Album, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT])
    [result] = album.results(context(threshold=0.25), "null")
    sharp, asked, all_of_it = result.trade((0.9999, 0.25, 1e-6))
    assert asked == (result.extra, result.covered().missed)
    assert sharp[1] >= asked[1] >= all_of_it[1]
    assert sharp[0] <= asked[0] <= all_of_it[0]
    assert (sharp, all_of_it) == ((0, 1), (all_of_it[0], 0))


def test_f1_is_the_harmonic_mean() -> None:
    assert f1(0.5, 1.0) == pytest.approx(2 / 3)
    assert f1(0, 0) == 0


# What is told


@pytest.fixture
def results(album: Album, context: Callable[..., Context]) -> list[Result]:
    album.add("event/a.png", [LEFT], [LEFT, RIGHT])
    album.add("event/b.png", [RIGHT])
    return album.results(context(), "null", "haar")


def test_the_table_has_a_row_for_each_detector_twice(results: list[Result]) -> None:
    lines = evaluation.photo_lines(results)
    assert lines[0] == "2 photos; faces that count: 3 all"
    assert [line.split("  ")[0] for line in lines[2:]] == ["", "null", "haar", "", "missed", "null", "haar", "faces"]
    assert lines[3].split()[1:6] == ["0.667", "0.667", "1.000", "0.667", "0.800"]
    assert lines[7].split()[1:5] == ["-", "-", "33.3%", "-"]


def test_json_says_the_same(results: list[Result]) -> None:
    value = results[0].to_json()
    assert (value["photos"], value["faces"], value["ap"]) == (2, {"all": 3}, {"all": 0.6667})
    assert (value["precision"], value["recall"], value["covered_8px"]) == (1, 0.6667, 0.6667)
    assert value["sizes"]["16-24 px"] == {"faces": 3, "covered": 2}


def test_a_dump_holds_every_detection(results: list[Result], tmp_path: Path) -> None:
    [path] = evaluation.dump(tmp_path / "all.json", results[:1])
    value = json.loads(path.read_text())["event/b.png"]
    assert path.name == "all.json"
    assert (value["width"], value["height"], value["boxes"]) == (WIDTH, HEIGHT, [[*RIGHT, 0.9]])
    assert value["ms"] > 0


def test_each_of_several_detectors_has_a_dump_of_its_own(results: list[Result], tmp_path: Path) -> None:
    assert [p.name for p in evaluation.dump(tmp_path / "all.json", results)] == ["all.null.json", "all.haar.json"]


def test_misses_are_tiles_on_pages(
    results: list[Result], tmp_path: Path, context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceblur.evaluation.report._PAGE", 2)
    paths = evaluation.misses(tmp_path / "misses", results, context())
    assert [p.name for p in paths] == ["null-01.png", "haar-01.png", "haar-02.png"]
    tile = images.read(paths[0])
    assert tile.shape[1] == 160
    assert ((tile == (0, 0, 255)).all(axis=2)).any()  # the face


def test_older_sheets_of_the_same_detector_are_removed_and_nothing_else(
    results: list[Result], tmp_path: Path, context: Callable[..., Context]
) -> None:
    kept = ["haar-02.png", "null+haar-02.png", "null-2.png", "null-02.jpg", "null-02.png.txt", "my-null-02.png"]
    (tmp_path / "misses").mkdir()
    for name in (*kept, "null-02.png", "null-117.png"):
        (tmp_path / "misses" / name).touch()
    evaluation.misses(tmp_path / "misses", results[:1], context())
    assert sorted(path.name for path in (tmp_path / "misses").iterdir()) == sorted([*kept, "null-01.png"])


def test_older_sheets_are_removed_where_nothing_is_missed_now(
    album: Album, tmp_path: Path, context: Callable[..., Context]
) -> None:
    (tmp_path / "misses").mkdir()
    (tmp_path / "misses/null-01.png").touch()
    album.add("a.png", [LEFT])
    evaluation.misses(tmp_path / "misses", [only(album, context)], context())
    assert list((tmp_path / "misses").iterdir()) == []


def test_without_a_miss_there_is_no_page(album: Album, tmp_path: Path, context: Callable[..., Context]) -> None:
    album.add("a.png", [LEFT])
    assert evaluation.misses(tmp_path / "misses", [only(album, context)], context()) == []


def test_the_chart_is_a_png(results: list[Result], tmp_path: Path, context: Callable[..., Context]) -> None:
    evaluation.photo_plot(tmp_path / "chart.png", results, context())
    assert images.size(tmp_path / "chart.png")[1] > 600


# The command


def test_the_command_writes_all_it_is_asked_for(results: list[Result], album: Album, tmp_path: Path) -> None:
    more = ("--dump", "all.json", "--misses", "misses", "--plot", "chart.png", "--limit", "1", "--json")
    done = faceblur("evaluate", "photos", "--images", album.folder, "--truth", album.truth, *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout)["results"]
    assert (result["name"], result["photos"]) == ("null", 1)
    for name in ("all.json", "chart.png", "misses/null-01.png"):
        assert (tmp_path / name).is_file()


def test_the_command_takes_what_a_photo_knows_of(results: list[Result], album: Album, tmp_path: Path) -> None:
    more = ("--threshold", "1", "--shape", "box", "--grow", "0", "--progress", "none", "--detector", "null,haar")
    done = faceblur("evaluate", "photos", "--images", album.folder, "--truth", album.truth, *more, cwd=tmp_path)
    assert done.stdout.splitlines()[3].startswith("null ")
    assert done.stderr == ""


def test_the_command_measures_the_rest_of_photos_that_cannot_all_be_read(damaged: Album, tmp_path: Path) -> None:
    more = ("--dump", "all.json", "--misses", "misses", "--progress", "none")
    done = faceblur("evaluate", "photos", "--images", damaged.folder, "--truth", damaged.truth, *more, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 2)
    assert done.stdout.startswith("1 photos")
    assert list(json.loads((tmp_path / "all.json").read_text())) == ["b.png"]
    assert (tmp_path / "misses/null-01.png").is_file()


TARGETS = {
    "--dump": ("folder", 2, "--dump folder is a folder"),
    "--plot": ("folder", 2, "--plot folder is a folder"),
    "--misses": ("file", 2, "--misses file is a file"),
    "--plot  ": ("chart.jpg", 2, "--plot chart.jpg: the file must end in .png"),
    "--plot ": ("file/chart.png", 7, "cannot write file/chart.png"),
    "--misses ": ("file/misses", 7, "cannot write file/misses"),
}


@pytest.mark.parametrize("option", TARGETS)
def test_what_cannot_be_written_is_told_before_any_photo_is_looked_at(
    option: str, damaged: Album, tmp_path: Path
) -> None:
    path, code, text = TARGETS[option]
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    arguments = ("--images", damaged.folder, "--truth", damaged.truth, option.strip(), path, "--progress", "none")
    done = faceblur("evaluate", "photos", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    [line] = done.stderr.splitlines()  # and none about the photos
    assert text in line


def test_a_chart_may_go_into_a_folder_that_is_not_there_yet(album: Album, tmp_path: Path) -> None:
    album.add("a.png", [LEFT])
    more = ("--plot", "new/folder/chart.png", "--progress", "none")
    done = faceblur("evaluate", "photos", "--images", album.folder, "--truth", album.truth, *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/folder/chart.png").is_file()


def test_the_figures_are_printed_even_if_what_is_asked_for_besides_cannot_be_written(
    results: list[Result], album: Album, tmp_path: Path
) -> None:
    (tmp_path / "misses/null-01.png").mkdir(parents=True)  # in the way of the sheet
    more = ("--misses", "misses", "--progress", "none")
    done = faceblur("evaluate", "photos", "--images", album.folder, "--truth", album.truth, *more, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (7, 1)
    assert done.stdout.startswith("2 photos")


@pytest.mark.parametrize(("wanted", "faces"), [((), 2), (("--class", "1"), 1), (("--class", "0"), 1)])
def test_the_command_takes_labels_of_one_class(
    wanted: tuple[str, ...], faces: int, album: Album, tmp_path: Path
) -> None:
    album.add("a.png", [LEFT])
    (album.folder / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1\n")
    done = faceblur(
        "evaluate", "photos", "--images", album.folder, "--truth", album.folder, "--json", *wanted, cwd=tmp_path
    )
    assert json.loads(done.stdout)["results"][0]["faces"] == {"all": faces}
    assert ("(0, 1); choose one with --class" in done.stderr) is (not wanted)


@pytest.mark.parametrize("folder", [True, False], ids=["of YOLO", "without classes"])
def test_a_class_that_no_label_is_of_is_refused(folder: bool, album: Album, tmp_path: Path) -> None:
    album.add("a.png", [LEFT])
    (album.folder / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    truth, known = (album.folder, "there are 0") if folder else (album.truth, "they tell no classes apart")
    more = ("--class", "plate", "--progress", "none")
    done = faceblur("evaluate", "photos", "--images", album.folder, "--truth", truth, *more, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"faceblur: --class plate: no label in {truth} is of it, {known}\n"


@pytest.mark.parametrize(("labels", "code"), [(None, 3), ("nothing", 3), ("{}", 2)])
def test_bad_labels_are_one_line_and_an_exit_code(labels: str | None, code: int, album: Album, tmp_path: Path) -> None:
    album.add("a.png", [LEFT])
    path = tmp_path / "bad.json"
    if labels:
        path.write_text(labels)
    arguments = ("evaluate", "photos", "--images", album.folder, "--truth", path, "--progress", "none")
    done = faceblur(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)


# On real photos


@pytest.mark.shared
def test_the_files_of_wider_face_and_the_json_of_the_project_say_the_same(
    shared: Path, context: Callable[..., Context]
) -> None:
    folder = shared / "data" / "widerface"
    if not (folder / "ground_truth").is_dir():
        pytest.skip(f"needs {folder}")
    [mat] = evaluation.photos(folder / "images", folder / "ground_truth", context(), ["centerface"], limit=4)
    [plain] = evaluation.photos(folder / "images", folder / "labels.json", context(), ["centerface"], limit=4)
    assert [mat.average(name) for name in mat.sets] == [plain.average(name) for name in plain.sets]


@pytest.mark.stress
@pytest.mark.shared
def test_centerface_is_as_good_as_an_independent_implementation_of_the_protocol_says(
    shared: Path, context: Callable[..., Context]
) -> None:
    folder = shared / "data" / "widerface"
    if not (folder / "ground_truth").is_dir():
        pytest.skip(f"needs {folder}")
    [result] = evaluation.photos(folder / "images", folder / "ground_truth", context(), ["centerface"])
    assert [result.number(name) for name in result.sets] == [545, 1000, 2719]
    assert [result.average(name) for name in result.sets] == pytest.approx([0.932, 0.916, 0.799], abs=0.003)
