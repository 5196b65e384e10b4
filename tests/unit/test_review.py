"""Reading what people decided: nothing that was said is dropped in silence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceblur import review
from faceblur.domain import Box
from faceblur.errors import IncompleteError

BOX = [1.0, 2.0, 3.0, 4.0]


def line(**changes: object) -> str:
    return json.dumps({"id": "1", "action": "hide", "kind": "face", "boxes": [[10, BOX], [40, BOX]]} | changes) + "\n"


def test_an_empty_text_holds_no_decision() -> None:
    assert review.read("", "d.jsonl") == ()


def test_blank_lines_are_skipped() -> None:
    assert len(review.read("\n" + line() + "\n\n", "d.jsonl")) == 1


def test_a_line_is_read_as_it_is_documented() -> None:
    (decision,) = review.read(review.__doc__.splitlines()[2].replace("x1, y1, x2, y2", "1, 2, 3, 4") + "\n", "d.jsonl")
    assert decision.boxes == ((10, Box(1, 2, 3, 4)), (40, Box(1, 2, 3, 4)))


def test_lines_with_the_line_breaks_of_windows_are_read() -> None:
    assert len(review.read(line(id="1").replace("\n", "\r\n") + line(id="2").replace("\n", "\r\n"), "d.jsonl")) == 2


def test_the_kind_is_face_unless_said_otherwise() -> None:
    text = json.dumps({"id": "1", "action": "hide", "boxes": [[1, BOX]]}) + "\n"
    assert review.read(text, "d.jsonl")[0].kind == "face"


def test_boxes_are_put_in_the_order_of_frames() -> None:
    (decision,) = review.read(line(boxes=[[40, BOX], [10, BOX], [20, BOX]]), "d.jsonl")
    assert [number for number, _ in decision.boxes] == [10, 20, 40]


def test_two_decisions_with_one_id_are_refused() -> None:
    with pytest.raises(IncompleteError, match="the id '1' is taken"):
        review.read(line() + line(action="keep"), "d.jsonl")


def test_a_decision_can_be_withdrawn() -> None:
    assert review.read(line() + '{"id": "1", "action": "withdraw"}\n', "d.jsonl") == ()


def test_withdrawing_one_decision_leaves_the_others() -> None:
    text = line(id="1") + line(id="2") + '{"id": "1", "action": "withdraw"}\n'
    assert [d.id for d in review.read(text, "d.jsonl")] == ["2"]


def test_a_withdrawn_decision_can_be_made_again() -> None:
    assert len(review.read(line() + '{"id": "1", "action": "withdraw"}\n' + line(), "d.jsonl")) == 1


@given(st.integers(1, len(line()) - 2))
def test_a_torn_last_line_is_refused_and_not_passed_over(length: int) -> None:
    with pytest.raises(IncompleteError, match=r"d\.jsonl, line 2,"):
        review.read(line(id="0") + line()[:length], "d.jsonl")


def test_a_last_line_that_only_lacks_its_line_break_counts() -> None:
    assert len(review.read(line().rstrip("\n"), "d.jsonl")) == 1


def test_a_broken_line_names_its_file_and_number() -> None:
    with pytest.raises(IncompleteError, match=r"d\.jsonl, line 2,"):
        review.read(line() + "{broken\n" + line(), "d.jsonl")


@pytest.mark.parametrize(
    "bad",
    [
        "5\n",
        "[]\n",
        "null\n",
        '"text"\n',
        "{}\n",
        line(action="blur"),
        line(boxes=[]),
        line(boxes=None),
        line(boxes=[[1]]),
        line(boxes=[[1, [1, 2, 3]]]),
        line(boxes=[["first", BOX]]),
        line(boxes=[[1, None]]),
        '{"id": "1", "boxes": [[1, [1, 2, 3, 4]]]}\n',
        '{"action": "hide", "boxes": [[1, [1, 2, 3, 4]]]}\n',
    ],
)
def test_a_line_that_is_not_a_decision_is_refused(bad: str) -> None:
    with pytest.raises(IncompleteError, match="is not a decision"):
        review.read(bad, "d.jsonl")


@pytest.mark.parametrize("box", [[3, 2, 1, 4], [1, 2, 1, 4], [1, 4, 3, 2]])
def test_an_empty_box_is_refused(box: list[float]) -> None:
    with pytest.raises(IncompleteError, match="an empty box"):
        review.read(line(boxes=[[1, box]]), "d.jsonl")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_box_without_end_is_refused(number: str) -> None:
    with pytest.raises(IncompleteError):
        review.read(f'{{"id": "1", "action": "hide", "boxes": [[1, [0, 0, 5, {number}]]]}}\n', "d.jsonl")


def test_a_frame_number_without_end_is_refused() -> None:
    with pytest.raises(IncompleteError):
        review.read('{"id": "1", "action": "hide", "boxes": [[Infinity, [0, 0, 5, 5]]]}\n', "d.jsonl")


def test_two_boxes_in_one_frame_are_refused() -> None:
    with pytest.raises(IncompleteError, match="two boxes in one frame"):
        review.read(line(boxes=[[10, BOX], [10, BOX], [20, BOX]]), "d.jsonl")
