"""The reports of a job: what is told of each of its outputs."""

import os
from pathlib import Path

from faceblur.domain import Json, digest
from faceblur.job import records
from faceblur.plan import FORMAT

_KINDS = ("blurred", "debug")  # of files that are told of


class Reports:
    """The report of the last output, and beside it those of outputs at other places."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "report.json"
        self.kept_folder = folder / "reports"
        self._folder = folder

    def last(self) -> Json:
        """What is told of the job and of its last output; empty before the first."""
        return _read(self.path) or {}

    def all(self) -> list[Json]:
        """The report of every output, the last one first, with the paths at which these are seen from here."""
        kept = sorted(self.kept_folder.glob("*.json"))
        return [self._placed(report) for report in map(_read, (self.path, *kept)) if report]

    def made(self, kind: str, target: Path, sha256: str) -> Json:
        """What is told of the "blurred" or "debug" file at `target`, whose content is `sha256`.

        It goes by the content, as folders move and one path is written in many ways. Of a file that was to be replaced
        when a run was killed only the content is told. Empty when this job made no such file.
        """
        told = [report[kind] for report in self.all() if kind in report]
        told.sort(key=lambda facts: os.path.abspath(facts["path"]) != os.path.abspath(target))
        replaced = [{"sha256": sha256, "source": f.get("source")} for f in told if f.get("replaces") == sha256]
        return next((dict(facts) for facts in told + replaced if facts["sha256"] == sha256), {})

    def outputs(self) -> list[Path]:
        """Where finished files were made and something still is, those of the last output first."""
        told = (Path(report[kind]["path"]) for report in self.all() for kind in _KINDS if kind in report)
        return [path for path in dict.fromkeys(told) if path.exists()]

    def write(self, report: Json) -> None:
        """Write what is told of the last output. The report of an output before it, at another place, is kept."""
        before = self.last()
        if "blurred" in before and self._kept_path(before) != self._kept_path(report):
            records.write(self._kept_path(before), before)
        records.write(self.path, report | {"format": FORMAT})
        self._kept_path(report).unlink(missing_ok=True)

    def told(self, target: Path) -> str:
        """How a report names a file: in full; one in the job's own folder from beside that, as it may move."""
        own = target.parent.resolve() == self._folder.resolve()
        return str(Path(self._folder.name, target.name)) if own else os.path.abspath(target)

    def _placed(self, report: Json) -> Json:
        told = {kind: report[kind] for kind in _KINDS if kind in report}
        return report | {kind: facts | {"path": str(self._place(facts["path"]))} for kind, facts in told.items()}

    def _place(self, told: str) -> Path:
        """Where a file is that a report names: one in the job's own folder is there, wherever that is seen from."""
        path = Path(told)
        own = not path.is_absolute() and path.parent.name == self._folder.name
        return self._folder / path.name if own else path

    def _kept_path(self, report: Json) -> Path:
        return self.kept_folder / f"{digest(self.told(self._place(report['blurred']['path'])))}.json"


def _read(path: Path) -> Json | None:
    """A report; None when it is missing or damaged, which means that what it told of is nobody's."""
    report = records.read(path) or {}
    told = [report[kind] for kind in _KINDS if kind in report]
    whole = all(isinstance(facts, dict) and {str} == {type(facts.get(k)) for k in ("path", "sha256")} for facts in told)
    return report if whole else None
