"""The command line as people use it: in a process of its own where exit codes and signals count."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import cv2
import pytest

from conftest import moving_face, picture, write_clip
from faceblur import cli
from faceblur.cli.failures import Failures
from faceblur.cli.flags import Every

HEAVY = ("cv2", "av", "onnxruntime", "tensorflow", "deepface", "retinaface", "numpy", "rich")


def faceblur(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the detector `null` allowed."""
    return subprocess.run(
        [sys.executable, "-m", "faceblur", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "FACEBLUR_TESTING": "1", "FACEBLUR_DETECTOR": "null", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_loads_no_heavy_module() -> None:
    code = "import sys, faceblur.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_no_model_package_is_loaded_before_a_detector_is_created() -> None:
    code = "import sys, faceblur.pipeline, faceblur.detectors; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"onnxruntime", "tensorflow", "deepface", "retinaface"} & set(loaded)


def test_run_makes_the_video_and_says_where(clip: Path, tmp_path: Path) -> None:
    done = faceblur("run", "input/clip.mp4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output/clip/clip-blurred.mp4").is_file()
    assert "output/clip/clip-blurred.mp4: 12 frames, 12 regions hidden" in done.stderr


def test_run_takes_a_debug_video_along(clip: Path, tmp_path: Path) -> None:
    done = faceblur("run", "input/clip.mp4", "--debug", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output/clip/clip-debug.mp4").is_file()
    assert len(list((tmp_path / "output/clip").glob("frame_*.png.debug.png"))) == 12


def test_the_stages_do_what_run_does(clip: Path, tmp_path: Path) -> None:
    faceblur("run", "input/clip.mp4", cwd=tmp_path)
    whole = [p.read_bytes() for p in sorted(tmp_path.glob("output/clip/*.blurred.png"))]
    for stage in ("split", "blur", "assemble"):
        names = ["input/clip.mp4"] if stage == "split" else []
        folders = ("--input", "in", "--output", "out")
        assert faceblur(*folders, stage, *names, cwd=tmp_path).returncode == 0
    assert [p.read_bytes() for p in sorted(tmp_path.glob("out/clip/*.blurred.png"))] == whole
    assert (tmp_path / "out/clip/clip-blurred.mp4").is_file()


def test_every_option_is_an_environment_variable(clip: Path, tmp_path: Path) -> None:
    done = faceblur(
        "run", "input/clip.mp4", cwd=tmp_path, FACEBLUR_STYLE="solid", FACEBLUR_DEBUG="1", FACEBLUR_OUT="result.mp4"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "output/clip/plan.json").read_text())["style"] == "solid"
    assert (tmp_path / "output/clip/clip-debug.mp4").is_file()
    assert (tmp_path / "result.mp4").is_file()


def test_bare_environment_variables_work_only_in_the_images(clip: Path, tmp_path: Path) -> None:
    def style(**environment: str) -> str:
        assert faceblur("run", "input/clip.mp4", cwd=tmp_path, STYLE="pixelate", **environment).returncode == 0
        return str(json.loads((tmp_path / "output/clip/plan.json").read_text())["style"])

    assert style() == "blur"
    assert style(FACEBLUR_IMAGE="1") == "pixelate"


def test_every_option_of_every_command_has_its_variable() -> None:
    for name, command in cli.cli.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and name not in ("clean", "weights"):
                longest = max(parameter.opts, key=len).lstrip("-").upper().replace("-", "_")
                assert parameter.envvar == [f"FACEBLUR_{longest}"], (name, parameter.opts)


def test_every_command_accepts_progress_verbose_and_traceback() -> None:
    leaves = [c for c in cli.cli.commands.values() if not isinstance(c, click.Group)]
    leaves += list(cli.weights.commands.values())
    for command in leaves:
        options = {name for p in command.params for name in p.opts}
        assert {"--progress", "--verbose", "--traceback"} <= options, command.name


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 3), (b"this is not a video\n" * 20, 3), (None, 3)],
    ids=["empty file", "text file named mp4", "missing file"],
)
def test_bad_sources_are_one_line_and_exit_3(tmp_path: Path, content: bytes | None, code: int) -> None:
    if content is not None:
        (tmp_path / "bad.mp4").write_bytes(content)
    done = faceblur("run", "bad.mp4", cwd=tmp_path)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert "bad.mp4" in done.stderr
    assert not list((tmp_path / "output").rglob("*.mp4")) if (tmp_path / "output").exists() else True


def test_the_rest_of_a_batch_goes_on_and_the_exit_code_says_so(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"")
    done = faceblur("run", "bad.mp4", "input/clip.mp4", "-o", "results", cwd=tmp_path)
    assert done.returncode == 3
    assert (tmp_path / "results/clip-blurred.mp4").is_file()


@pytest.mark.parametrize("traceback", [False, True])
def test_whatever_goes_wrong_with_one_the_rest_is_done(traceback: bool, capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []

    def do(number: int) -> None:
        if number == 2:
            raise ValueError("odd")
        done.append(number)

    with click.Context(click.Command("run"), obj={"traceback": traceback}):
        failures = Failures()
        if traceback:
            with pytest.raises(ValueError, match="odd"):
                failures.each([1, 2, 3], do)
            return
        failures.each([1, 2, 3], do)
        with pytest.raises(click.exceptions.Exit) as end:
            failures.leave()
    assert (done, end.value.exit_code) == ([1, 3], 1)
    assert capsys.readouterr().err.startswith("faceblur: unexpected ValueError: odd; run again with --traceback")


def test_a_record_that_cannot_be_read_is_one_line(clip: Path, tmp_path: Path) -> None:
    faceblur("split", clip, cwd=tmp_path)
    (tmp_path / "output/clip/plan.json").mkdir(parents=True)
    done = faceblur("blur", "clip", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        3,
        "faceblur: cannot read output/clip/plan.json: Is a directory",
    )


def test_different_failures_in_a_batch_end_with_1(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"")
    done = faceblur("run", "bad.mp4", "input/clip.mp4", "-o", "results", "--weights-of-nobody", cwd=tmp_path)
    assert done.returncode == 2
    (tmp_path / "output").write_text("in the way")
    done = faceblur("run", "bad.mp4", "input/clip.mp4", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) <= 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "input/clip.mp4", "--threshold", "7"),
        ("run", "input/clip.mp4", "--style", "sparkle"),
        ("run", "input/clip.mp4", "--detector", "nobody"),
        ("run", "input/clip.mp4", "--start", "soon"),
        ("run", "input/clip.mp4", "--start", "2", "--end", "1"),
        ("run", "input/clip.mp4", "--workers", "0"),
        ("split", "input/clip.mp4", "--overlay", "weather"),
        ("blur", "nothing"),
        ("clean", "clip", "--all", "--frames"),
    ],
    ids=" ".join,
)
def test_a_wrong_request_exits_2_and_makes_nothing(clip: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = faceblur(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(("word", "every"), [("auto", 0), ("1", 1), ("12", 12)])
def test_how_often_is_looked_is_a_number_or_left_to_the_preset(word: str, every: int) -> None:
    assert Every().convert(word, None, None) == every


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "often", ""])
def test_how_often_is_looked_is_no_other_word(word: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number from 1, or auto"):
        Every().convert(word, None, None)


def test_the_detector_for_tests_is_refused_outside_of_them(clip: Path, tmp_path: Path) -> None:
    done = faceblur("run", "input/clip.mp4", cwd=tmp_path, FACEBLUR_TESTING="")
    assert done.returncode == 2
    assert "finds no faces" in done.stderr


def test_a_traceback_is_shown_only_on_request(tmp_path: Path) -> None:
    assert "Traceback" not in faceblur("split", "missing.mp4", cwd=tmp_path).stderr
    for done in (
        faceblur("split", "missing.mp4", "--traceback", cwd=tmp_path),
        faceblur("--traceback", "split", "missing.mp4", cwd=tmp_path),
        faceblur("split", "missing.mp4", cwd=tmp_path, FACEBLUR_TRACEBACK="1"),
    ):
        assert "Traceback" in done.stderr
        assert done.returncode == 3


def test_progress_json_is_one_event_a_line(clip: Path, tmp_path: Path) -> None:
    done = faceblur("run", "input/clip.mp4", "--progress", "json", cwd=tmp_path)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ended = [(e["step"], e["done"], e["total"]) for e in events if e["event"] == "end"]
    assert ended == [("split", 12, 12), ("detect-null", 12, 12), ("render", 12, 12), ("assemble", 12, 12)]
    assert [e["faces"] for e in events if e["event"] == "end"] == [None, 12, 12, None]
    assert events[-1]["event"] == "result"
    assert events[-1]["output"] == "output/clip/clip-blurred.mp4"
    assert done.stderr == ""


def test_progress_none_says_nothing(clip: Path, tmp_path: Path) -> None:
    done = faceblur("run", "input/clip.mp4", "--progress", "none", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_job_in_which_nothing_was_hidden_says_so_loudly(tmp_path: Path) -> None:
    write_clip(tmp_path / "input/empty.mp4", [picture(seed=i) for i in range(3)])
    done = faceblur("run", "input/empty.mp4", cwd=tmp_path)
    assert done.returncode == 0
    assert "warning: nothing was hidden in empty" in done.stderr


def test_frames_delete_leaves_the_video_and_no_frames(clip: Path, tmp_path: Path) -> None:
    assert faceblur("run", "input/clip.mp4", "--frames", "delete", cwd=tmp_path).returncode == 0
    assert (tmp_path / "output/clip/clip-blurred.mp4").is_file()
    assert not list(tmp_path.rglob("frame_*.png*"))
    assert clip.is_file()


def test_status_tells_what_is_due(clip: Path, tmp_path: Path) -> None:
    assert "no jobs yet" in faceblur("status", cwd=tmp_path).stdout
    faceblur("run", "input/clip.mp4", cwd=tmp_path)
    (tmp_path / "output/clip/frame_0000000003.png.blurred.png").unlink()
    text = faceblur("status", cwd=tmp_path).stdout
    assert "rendered 11/12, due: frame 3" in text
    facts = json.loads(faceblur("status", "--json", cwd=tmp_path).stdout)
    assert (facts["job"], facts["frames"], facts["due"], facts["solved"]) == ("clip", 12, [3], True)


def test_clean_keeps_the_video_and_all_removes_it_and_never_the_source(clip: Path, tmp_path: Path) -> None:
    faceblur("run", "input/clip.mp4", cwd=tmp_path)
    video = tmp_path / "output/clip/clip-blurred.mp4"
    assert faceblur("clean", "clip", "--frames", cwd=tmp_path).returncode == 0
    assert not list(tmp_path.rglob("frame_*.png*"))
    assert list(tmp_path.rglob("detections/null/*.json"))
    assert faceblur("clean", "clip", cwd=tmp_path).returncode == 0
    assert video.is_file()
    assert not (tmp_path / "input/clip").exists()
    assert not list(tmp_path.rglob("frame_*"))
    faceblur("run", "input/clip.mp4", cwd=tmp_path)
    assert faceblur("clean", "clip", "--all", cwd=tmp_path).returncode == 0
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["clip.mp4"]


def test_the_video_of_a_folder_of_frames_gets_the_name_that_was_asked_for(clip: Path, tmp_path: Path) -> None:
    faceblur("split", "input/clip.mp4", cwd=tmp_path)
    (tmp_path / "mine").mkdir()
    for frame in sorted((tmp_path / "input/clip").glob("frame_*.png")):
        shutil.copy(frame, tmp_path / "mine")
    done = faceblur("run", "mine", "--fps", "25", "-o", "mine.mp4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine.mp4").is_file()


def test_a_folder_of_photos_and_videos_goes_into_the_folder_that_was_asked_for(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "trip").mkdir()
    shutil.copy(clip, tmp_path / "trip")
    done = faceblur("run", "trip", "-o", "there", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there/clip.mp4").is_file()
    assert faceblur("run", "trip", "-o", "there/clip.mp4", cwd=tmp_path).returncode == 7


def test_clean_detections_makes_them_due_again(clip: Path, tmp_path: Path) -> None:
    faceblur("run", "input/clip.mp4", cwd=tmp_path)
    assert faceblur("clean", "clip", "--detections", "null", cwd=tmp_path).returncode == 0
    assert faceblur("assemble", "clip", cwd=tmp_path).returncode == 6
    assert faceblur("blur", "clip", cwd=tmp_path).returncode == 0
    assert len(list(tmp_path.rglob("detections/null/*.json"))) == 12


def test_a_job_can_be_named_by_its_folder_or_its_source(clip: Path, tmp_path: Path) -> None:
    faceblur("split", "input/clip.mp4", cwd=tmp_path)
    for name in ("clip", "input/clip", "input/clip.mp4", str(clip)):
        assert faceblur("blur", name, cwd=tmp_path).returncode == 0, name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_ends_with_130_and_the_next_run_completes(tmp_path: Path, number: signal.Signals) -> None:
    write_clip(tmp_path / "input/long.mp4", moving_face(300))
    environment = {**os.environ, "FACEBLUR_TESTING": "1", "FACEBLUR_DETECTOR": "null"}
    process = subprocess.Popen(
        [sys.executable, "-m", "faceblur", "run", "input/long.mp4"], cwd=tmp_path, env=environment
    )
    for _ in range(500):
        if len(list(tmp_path.glob("output/long/detections/null/*.json"))) > 5:
            break
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(20) == 130
    assert not list(tmp_path.rglob(".*.tmp*"))
    assert not list(tmp_path.rglob("long-blurred.mp4"))
    assert faceblur("run", "input/long.mp4", cwd=tmp_path).returncode == 0
    assert len(list(tmp_path.glob("output/long/*.blurred.png"))) == 300


def test_weights_list_names_files_licences_and_places(tmp_path: Path) -> None:
    done = faceblur("weights", "list", cwd=tmp_path, FACEBLUR_WEIGHTS=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 0
    assert re.search(r"centerface +7304518 +0\.932 / 0\.916 / 0\.799 +MIT", done.stdout)
    assert "not here yet" in done.stdout
    assert "not measured" in done.stdout


def test_weights_list_as_json_has_an_object_a_line(tmp_path: Path) -> None:
    done = faceblur("weights", "list", "--json", cwd=tmp_path, FACEBLUR_WEIGHTS=str(tmp_path), HOME=str(tmp_path))
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["centerface"]["wider_face"] == {"easy": 0.932, "medium": 0.916, "hard": 0.799}
    assert rows["yolox"]["wider_face"] is None
    assert (rows["yunet"]["path"], rows["yunet"]["restricted"]) == (None, False)


def test_a_wrong_file_does_not_end_the_list_but_its_exit_code_is_4(tmp_path: Path) -> None:
    (tmp_path / "centerface.onnx").write_bytes(b"something else")
    done = faceblur("weights", "list", cwd=tmp_path, FACEBLUR_WEIGHTS=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 4
    assert f"WRONG: {tmp_path / 'centerface.onnx'}" in done.stdout
    assert "yunet" in done.stdout


def test_weights_path_of_missing_weights_exits_4(tmp_path: Path) -> None:
    done = faceblur("weights", "path", "yunet", cwd=tmp_path, FACEBLUR_WEIGHTS=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 4
    assert "faceblur weights fetch yunet" in done.stderr


def test_a_wrong_weights_file_exits_4_and_is_named(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "centerface.onnx").write_bytes(b"something else")
    done = faceblur("run", clip, "--detector", "fast", cwd=tmp_path, FACEBLUR_WEIGHTS=str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 4
    assert str(tmp_path / "centerface.onnx") in done.stderr


def test_an_unwritable_output_exits_7(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "output").write_text("in the way")
    done = faceblur("run", "input/clip.mp4", cwd=tmp_path)
    assert done.returncode == 7
    assert len(done.stderr.strip().splitlines()) <= 2


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the job `odd`: a sure face that comes and goes, and a weak one that is there once."""
    folder, frames = tmp_path_factory.mktemp("odd"), []
    for number in range(20):
        frame = picture(192, 128, [(88, 56, 104, 72)] if number >= 10 else [], seed=1)
        if number == 4:
            frame[20:36, 172:188] = (255, 0, 0)  # of score 0.1, far from the other
        frames.append(frame)
    write_clip(folder / "input/odd.mp4", frames)
    assert faceblur("run", "input/odd.mp4", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def doubtful(odd: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(odd, tmp_path, dirs_exist_ok=True)


def test_doubts_before_solving_are_one_line_and_exit_6(clip: Path, tmp_path: Path) -> None:
    faceblur("split", "input/clip.mp4", cwd=tmp_path)
    done = faceblur("doubts", "clip", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.splitlines() == ["faceblur: the regions of clip are not solved yet: run blur first"]


def test_doubts_are_ranked_lines_with_frame_and_time(doubtful: Path) -> None:
    done = faceblur("doubts", "odd", cwd=doubtful)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.startswith("   1  0.10")
    assert "frame 5, 0:00.2, " in first
    assert first.endswith(": looks a little like a face")
    assert second.startswith("   2  0.0")
    assert "frame 11, 0:00.4, " in second
    assert second.endswith(": appears in the middle of the picture")


def test_doubts_as_json_are_one_object_a_line(doubtful: Path) -> None:
    done = faceblur("doubts", "odd", "--json", cwd=doubtful)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(doubt["frame"], doubt["time_s"]) for doubt in found] == [(5, 0.16), (11, 0.4)]
    assert {key for doubt in found for key in doubt} == {"frame", "time_s", "box", "reason", "weight"}
    assert found == json.loads((doubtful / "output/odd/report.json").read_text())["doubts"]


def test_doubts_are_no_more_than_asked_for(doubtful: Path) -> None:
    assert len(faceblur("doubts", "odd", "--limit", "1", cwd=doubtful).stdout.splitlines()) == 1
    assert faceblur("doubts", "odd", "--limit", "0", cwd=doubtful).returncode == 2


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet.png"])
def test_doubts_are_drawn_into_a_sheet(doubtful: Path, name: str) -> None:
    done = faceblur("doubts", "odd", "--sheet", name, cwd=doubtful)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    sheet = cv2.imread(str(doubtful / name))
    assert sheet is not None
    assert sheet[160, 160].argmax() == 0, "the weak face is blue"
    assert sheet[160, 320 + 160].argmax() == 1, "the sure one is green"


def test_a_sheet_of_another_kind_exits_2_before_anything_else(clip: Path, tmp_path: Path) -> None:
    faceblur("split", "input/clip.mp4", cwd=tmp_path)
    done = faceblur("doubts", "clip", "--sheet", "sheet.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["faceblur: sheet.txt: a picture must end in .jpg or .png"]


def test_a_sheet_of_frames_that_were_deleted_is_one_line_and_exit_6(doubtful: Path) -> None:
    faceblur("clean", "odd", "--frames", cwd=doubtful)
    done = faceblur("doubts", "odd", "--sheet", "sheet.jpg", cwd=doubtful)
    assert (done.returncode, len(done.stderr.splitlines())) == (6, 1)
    assert "odd lacks frames 5, 11 of its source" in done.stderr
    assert not (doubtful / "sheet.jpg").exists()


def test_doubts_are_told_when_the_frames_are_gone(doubtful: Path) -> None:
    faceblur("clean", "odd", "--frames", cwd=doubtful)
    assert len(faceblur("doubts", "odd", cwd=doubtful).stdout.splitlines()) == 2


def test_no_doubts_are_a_friendly_line_and_no_sheet(tmp_path: Path) -> None:
    write_clip(tmp_path / "input/plain.mp4", [picture(seed=i) for i in range(3)])
    faceblur("run", "input/plain.mp4", cwd=tmp_path)
    assert faceblur("doubts", "plain", cwd=tmp_path).stdout == "there are no doubts about plain\n"
    done = faceblur("doubts", "plain", "--sheet", "sheet.jpg", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "there are no doubts about plain, and sheet.jpg was not written\n")
    assert not (tmp_path / "sheet.jpg").exists()
    assert faceblur("doubts", "plain", "--json", cwd=tmp_path).stdout == ""
