"""The decisions of people about a job, and the frames that they are about."""

from pathlib import Path

from faceblur import review
from faceblur.domain import Decision, digest
from faceblur.errors import IncompleteError
from faceblur.job import records
from faceblur.job.frames import Frames
from faceblur.plan import Plan


class Decisions:
    """The decisions, written by people or their programs; which frames they are about is noted beside them."""

    def __init__(self, folder: Path, frames: Frames) -> None:
        self.path = folder / "decisions.jsonl"
        self.about_path = folder / "decisions-about.json"
        self._frames = frames

    def text(self, plan: Plan) -> str:
        """What people decided; IncompleteError when that was about other frames, as numbers and boxes would not fit."""
        try:
            text = self.path.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise IncompleteError(f"{self.path} is not UTF-8 text ({error}); mend it") from error
        noted = records.read(self.about_path) or {}  # for a damaged one: it may have told of other frames
        if self.about_path.exists() and noted.get("about") != self._about(plan):
            raise IncompleteError(
                f"{self.path} was made for other frames (another source, or split otherwise); move it away, "
                f"or delete {self.about_path.name} beside it if its numbers and boxes fit these frames too"
            )
        return text

    def read(self, text: str) -> tuple[Decision, ...]:
        """The decisions in force in such a text."""
        return review.read(text, str(self.path))

    def bind(self, plan: Plan) -> None:
        """Note beside the decisions which frames they are about, where that is not noted yet."""
        if self.path.exists() and not self.about_path.exists():
            records.write(self.about_path, {"about": self._about(plan)})

    def _about(self, plan: Plan) -> str:
        origin = self._frames.origin()
        return digest(origin.identity if origin else [plan.home, *plan.extent])
