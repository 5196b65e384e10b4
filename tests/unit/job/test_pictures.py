"""What the stamps of pictures know."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from conftest import picture
from faceblur import images
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.domain import Box, Region
from faceblur.split import split

Make = Callable[..., Context]


def test_a_stamp_knows_frame_regions_style_and_number(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    stamps = {job.pictures.blurred_stamp(plan, number) for number in plan.numbers}
    assert len(stamps) == 12
    before = job.pictures.blurred_stamp(plan, 1)
    images.write(job.frames.path(1), picture(seed=77))
    assert job.pictures.blurred_stamp(plan, 1) != before


def test_cleaning_keeps_a_picture_that_a_person_changed(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context(debug=True))
    retouched = picture(seed=5)
    images.write(job.pictures.blurred_path(3), retouched)
    job.remove_work()
    left = [path.name for path in job.folder.iterdir()]
    assert sorted(left) == [job.pictures.blurred_path(3).name, job.pictures.debug_path(3).name]
    assert np.array_equal(images.read(job.pictures.blurred_path(3)), retouched)


def test_a_stamp_knows_the_outline_of_a_region(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    box = Region(Box(0, 0, 9, 9), "plate", "detection", 0.9)
    corners = replace(box, outline=((0, 0), (9, 0), (9, 9)))
    other = replace(box, outline=((0, 0), (9, 9), (0, 9)))
    assert len({job.pictures.blurred_stamp(plan, 1, [region]) for region in (box, corners, other)}) == 3
