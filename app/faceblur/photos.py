"""A photo is footage of one frame, and what comes out of it is a photo again."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from faceblur import files, images, media, overlay, stills
from faceblur.context import Context
from faceblur.domain import Json
from faceblur.errors import IncompleteError, UsageError
from faceblur.job import DirectJob
from faceblur.plan import Plan
from faceblur.redaction import redact


@dataclass(frozen=True)
class Exposure:
    """The one frame of a photo."""

    still: stills.Still
    pts: int = 0
    duration: int = 1

    @cached_property
    def image(self) -> images.Pixels:
        """(H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16; grey has three equal channels."""
        grey = self.still.image.shape[2] == 1
        return np.repeat(self.still.image, 3, axis=2) if grey else self.still.image

    @cached_property
    def checksum(self) -> int:
        """A CRC-32 of all pixels."""
        return zlib.crc32(np.ascontiguousarray(self.still.image).data)


class Photo:
    """A photo, read upright, as the footage that the steps ask for."""

    def __init__(self, path: Path, recipe: media.Recipe, *, accept_damaged: bool = False) -> None:
        if recipe != media.Recipe():
            raise UsageError(f"{path} is a photo: --scale, --fps, --start and --end are for videos")
        self.path = path
        self.still = stills.read(path, accept_damaged=accept_damaged)
        self.recipe = recipe
        self.damaged = self.still.damaged
        self.moved = 0

    @property
    def video(self) -> media.Video:
        """The facts of the photo, as those of a video of one frame."""
        still = self.still
        return media.Video(
            stream=0,
            width=still.width,
            height=still.height,
            rotation=0,
            codec=still.kind,
            pixel_format="",
            rate=Fraction(1),
            time_base=Fraction(1),
            start=0,
            zero=0,
            frames=1,
            duration_s=1.0,
            aspect=Fraction(1),
            colour=(media.FULL, media.UNKNOWN, media.UNKNOWN, media.UNKNOWN),
            sounds=(),
            chroma="grey" if still.grey else "rgb",
            depth=still.depth,
            alpha=still.alpha,
        )

    @property
    def time_base(self) -> Fraction:
        return Fraction(1)

    @property
    def zero(self) -> Fraction:
        return Fraction(0)

    @property
    def size(self) -> tuple[int, int]:
        return self.still.width, self.still.height

    def __iter__(self) -> Iterator[Exposure]:
        yield Exposure(self.still)


class Print:
    """The finished photo of a job."""

    def __init__(self, job: DirectJob, photo: Photo, context: Context) -> None:
        self.job = job
        self.photo = photo
        self.context = context

    def ending(self, kind: str) -> str:
        """The source's own where it can be written; debug pictures are PNG."""
        return ".png" if kind == "debug" else self.photo.still.ending

    def check(self, target: Path) -> None:
        """UsageError unless `target` names a kind of file that can hold the photo."""
        stills.check_target(target, self.photo.still)

    def about(self, plan: Plan, kind: str, target: Path) -> list[object]:
        origin = self.job.frames.origin()
        return ["photo", stills.VERSION, origin and origin.sha256, sorted(self.context.options.keep_metadata)]

    def stamps(self, plan: Plan, kind: str) -> list[str]:
        """What the picture is made from; IncompleteError when its regions are not those of now."""
        return self.job.pictures.stamps(plan, kind)

    def write(self, path: Path, plan: Plan, kind: str, stamps: Sequence[str]) -> Json:
        """Write the photo, redacted, or without a region only stripped of its metadata, and read it again."""
        if kind == "debug":
            return self._write_debug(path, plan)
        regions, still, keep = self.job.solution.regions(1), self.photo.still, self.context.options.keep_metadata
        if stamps != [self.job.pictures.blurred_stamp(plan, 1, regions)]:
            raise IncompleteError(f"the regions of {self.job.name} changed meanwhile: run again")
        image, stripped = still.image, False
        if regions:
            image = redact(np.squeeze(image), regions, plan.look).reshape(image.shape)
            stills.write(path, still, image, keep=keep)
        else:
            stripped = stills.strip(self.photo.path, still, path, keep=keep)
        if still.changes:
            self.context.progress.warn(f"{self.photo.path.name} cannot be repeated in all: {', '.join(still.changes)}")
        return stills.verify(path, still, image, kept=keep, stripped=stripped) | {"changes": list(still.changes)}

    def _write_debug(self, path: Path, plan: Plan) -> Json:
        [frame] = self.photo
        seen, regions = self.job.watch.detections(plan, 1), self.job.solution.regions(1)
        picture = overlay.debug(images.plain(frame.image), 1, seen, regions)
        files.write(path, images.encode(picture))
        return stills.measure(path)
