"""Evidence: what detectors said about frames, and how the camera moved between them."""

from collections.abc import Sequence
from pathlib import Path

from faceblur import files, motion
from faceblur.domain import Detection, Json, Motion, canonical, digest
from faceblur.errors import IncompleteError
from faceblur.job import records
from faceblur.job.frames import Frames
from faceblur.job.numbered import Numbered


class Evidence:
    """The evidence that is stored; each piece counts only for the frames it was taken from, by their fingerprints."""

    def __init__(self, folder: Path, frames: Frames) -> None:
        self._frames = frames
        self._detections = folder / "detections"
        self._motions = Numbered(folder / "motion", ".json")

    # Detections

    def path(self, detector: str, number: int) -> Path:
        return self._of(detector).path(number)

    def has(self, detector: str, number: int, of: str | None = None) -> bool:
        """Whether what `detector` said about the frame is stored: as it is now, or when its fingerprint was `of`."""
        return self._read(detector, number, of) is not None

    def heard(self, detector: str, number: int, of: str | None = None) -> list[Detection] | None:
        """What one detector said about a frame, as it is now or when its fingerprint was `of`; None if nothing yet."""
        value = self._read(detector, number, of)
        return None if value is None else [Detection.from_json(d) for d in value["detections"]]

    def seen_by(self, detector: str, number: int, of: str | None = None) -> list[Detection]:
        """What one detector said about a frame, as it is now or when its fingerprint was `of`.

        IncompleteError when it has not seen it yet.
        """
        found = self.heard(detector, number, of)
        if found is None:
            raise IncompleteError(f"{self._frames.name}: {detector} has not seen frame {number}: run blur again")
        return found

    def write(self, detector: str, number: int, detections: Sequence[Detection], of: str) -> None:
        """Store what `detector` said about the frame whose fingerprint was `of`."""
        said = [d.to_json() for d in detections]
        value = {"frame": number, "stamp": digest("evidence", of, detector, said), "detections": said}
        files.write(self.path(detector, number), canonical(value).encode())

    def detectors(self) -> set[str]:
        """The names of those that said something."""
        return {path.name for path in self._detections.glob("*")}

    def _of(self, detector: str) -> Numbered:
        return Numbered(self._detections / detector, ".json")

    def _read(self, detector: str, number: int, of: str | None = None) -> Json | None:
        value = records.read(self.path(detector, number))
        if not value:  # which spares looking at the frame
            return None
        of = of or self._frames.shows(number)
        if not of or value.get("stamp") != digest("evidence", of, detector, value.get("detections")):
            return None
        return value

    # Motion

    def motion_path(self, number: int) -> Path:
        return self._motions.path(number)

    def motion(self, number: int, of: Sequence[str | None] = ()) -> Motion | None:
        """How the camera moved from the frame before to this one; None when that is not known for these two frames.

        They are as they are now, or had the fingerprints `of`.
        """
        value = records.read(self.motion_path(number))
        if not value:
            return None
        of = of or [self._frames.shows(n) for n in (number - 1, number)]
        if not all(of) or value.get("stamp") != _motion_stamp(of, value.get("motion")):
            return None
        return Motion.from_json(value["motion"])

    def write_motion(self, number: int, found: Motion, of: tuple[str, str]) -> None:
        """Store how the camera moved between the two frames whose fingerprints were `of`."""
        value = {"frame": number, "stamp": _motion_stamp(of, found.to_json()), "motion": found.to_json()}
        files.write(self.motion_path(number), canonical(value).encode())

    # Clean

    def sweep(self) -> None:
        """Remove the leftovers of killed writes."""
        for folder in (self._motions.folder, *self._detections.glob("*")):
            files.sweep(folder)

    def forget(self, detector: str) -> None:
        """Remove what one detector said."""
        files.remove_folder(self._of(detector).folder)

    def remove(self) -> None:
        files.remove_folder(self._detections)
        files.remove_folder(self._motions.folder)


def _motion_stamp(of: Sequence[str | None], moved: object) -> str:
    """Of the two frames and of what is stored, so that a file that somebody changed counts for nothing."""
    return digest("motion", motion.VERSION, list(of), moved)
