"""Is a finished file still what its report says? The checks that were made when it was written, made again."""

import json
from collections.abc import Sequence
from pathlib import Path

from faceblur import catalog, images, media, stills
from faceblur.context import Context
from faceblur.domain import Json
from faceblur.errors import MediaError, SourceError, UsageError


def verify(path: Path, context: Context, report: Path | None = None, reports: Sequence[Json] | None = None) -> Json:
    """The facts that the report tells of the finished file at `path`, once all of them were found to hold.

    The report is that of the job that made the file, or in the file `report`. `reports` are those of all jobs, where
    they were read already, as for many files. MediaError names what differs.
    """
    if not path.is_file():
        raise SourceError(f"{path} is not there")
    found = context.sha256(path)
    if report:
        made = _told(path, _read(report))
    else:
        made = _found(path, found, catalog.all_reports(context.options.output) if reports is None else reports)
    if made is None:
        where = report or f"{context.options.output}/*/report.json"
        raise UsageError(f"{where} does not tell of {path.name}; name the one written with it: --report FILE")
    differences = [] if found == made["sha256"] else [f"SHA-256 {found[:16]}… instead of {made['sha256'][:16]}…"]
    differences += (stills if "kind" in made["checks"] else media).again(path, made["checks"])
    if differences:
        raise MediaError(f"{path} is not what was made: {'; '.join(differences)}")
    return made


def _found(path: Path, sha256: str, reports: Sequence[Json]) -> Json | None:
    """What a report of a job says of the file: of one with the same content, else of the one made at this path."""
    made = [told[kind] for told in reports for kind in ("blurred", "debug") if kind in told]
    same = [facts for facts in made if facts["sha256"] == sha256]
    here = path.resolve()
    return next((facts for facts in same or made if Path(facts["path"]).resolve() == here), next(iter(same), None))


def _told(path: Path, report: Json) -> Json | None:
    """What a report says of the file: the one of this name, else the blurred one."""
    kinds = [report[kind] for kind in ("blurred", "debug") if kind in report]
    return next((made for made in kinds if Path(made["path"]).name == path.name), kinds[0] if kinds else None)


def _read(path: Path) -> Json:
    try:
        value = json.loads(images.read_bytes(path))
    except ValueError as error:
        raise SourceError(f"{path} is not a report: {error}") from error
    if not isinstance(value, dict):
        raise SourceError(f"{path} is not a report")
    return value
