"""The frames of a job as they came: in files, or known by times and fingerprints only."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from faceblur import images, media
from faceblur.errors import IncompleteError, SourceError
from faceblur.job import records
from faceblur.job.numbered import Numbered
from faceblur.plan import Origin, Plan


class Frames:
    """Frames in files, that split made or somebody put there; what split made them from is told beside them."""

    in_files = True
    _known: dict[int, str | None] | None = None  # what frames show, in a glance

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name  # that of the job, for people
        self.folder = folder
        self._files = Numbered(folder, ".png")

    @property
    def origin_path(self) -> Path:
        return self.folder / "source.json"

    def path(self, number: int) -> Path:
        return self._files.path(number)

    def exist(self) -> bool:
        """Whether there is anything here to work on: split has begun, or somebody put frames into the folder."""
        return self.origin_path.exists() or bool(self._files.numbers())

    def numbers(self) -> list[int]:
        """The numbers of the frames that are there, in order."""
        return sorted(self._files.numbers())

    def whole(self) -> set[int]:
        """The numbers of the frames that are there, and not cut as after a power failure."""
        return {number for number in self.numbers() if self.shows(number)}

    def origin(self) -> Origin | None:
        """What split wrote; None for frames from elsewhere. IncompleteError when it cannot be understood."""
        value = records.read(self.origin_path)
        try:
            return Origin.from_json(value) if value else None
        except (KeyError, TypeError, ValueError) as error:
            advice = f"run `faceblur clean {self.name}` and split again"
            raise IncompleteError(f"{self.origin_path} cannot be understood ({error}); {advice}") from error

    def write_origin(self, origin: Origin) -> None:
        records.write(self.origin_path, origin.to_json())

    def clock(self, plan: Plan, fps: Fraction | None = None) -> media.Clock:
        """When the frames are shown. Foreign frames count at `fps`, taken for 25 while nobody said it."""
        origin = self.origin()
        if origin:
            return origin.shown
        count = len(plan.numbers)
        return media.Clock(1 / (fps or Fraction(25)), tuple(range(count)), count)

    def fingerprint(self, number: int) -> str:
        """The digest of what a frame shows; SourceError when it is missing or cut."""
        found = self.shows(number)
        if found is None:
            raise self._missing(number)
        return found

    def read(self, number: int) -> tuple[str, bytes]:
        """The fingerprint of a frame and the bytes that show it, whatever takes their place; SourceError as above."""
        path = self.path(number)
        data = images.read_bytes(path) if path.exists() else b""
        found = images.shown(data)
        if found is None:
            raise self._missing(number)
        return found, data

    def _missing(self, number: int) -> SourceError:
        return SourceError(f"{self.path(number)} is missing or cut; split the source again")

    def shows(self, number: int) -> str | None:
        """The fingerprint of a frame, as long as that is there and whole."""
        known = {} if self._known is None else self._known
        if number not in known:
            known[number] = images.fingerprint(self.path(number))
        return known[number]

    @contextmanager
    def glance(self) -> Iterator[None]:
        """Take the frames as they are at one moment: what one shows is read once, however often it is asked for."""
        self._known = {}
        try:
            yield
        finally:
            self._known = None

    def remove(self) -> None:
        """Remove the frames that split made; frames from elsewhere are their owner's and stay."""
        if self.origin_path.exists():
            for number in self.numbers():
                self.path(number).unlink(missing_ok=True)


class DirectFrames(Frames):
    """Frames that are in no files: what is known of them is told in `made`, the folder of what is made from them."""

    in_files = False
    _origin: Origin | None = None

    def __init__(self, name: str, folder: Path, made: Path) -> None:
        super().__init__(name, folder)
        self._made = made

    @property
    def origin_path(self) -> Path:
        return self._made / "source.json"

    def exist(self) -> bool:
        return self.origin_path.exists()

    def numbers(self) -> list[int]:
        origin = self.origin()
        return list(range(1, len(origin.checksums) + 1)) if origin else []

    def origin(self) -> Origin | None:
        """As ever; a complete one is read once, as it is asked for with every frame."""
        if self._origin is None or self._origin.state != "complete":
            self._origin = super().origin()
        return self._origin

    def write_origin(self, origin: Origin) -> None:
        super().write_origin(origin)
        self._origin = origin

    def shows(self, number: int) -> str | None:
        origin = self.origin()
        known = origin and origin.state == "complete" and number <= len(origin.checksums)
        return origin.shows(number, origin.checksums[number - 1]) if origin and known else None

    def remove(self) -> None:
        """There are none."""
