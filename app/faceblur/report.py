"""What report.json says of a job: what was done to which source, with what, and how much came of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from faceblur import detectors, weights
from faceblur.detectors import packages
from faceblur.domain import Json, Region
from faceblur.download import sha256_of
from faceblur.errors import FaceblurError, IncompleteError
from faceblur.job import Job
from faceblur.plan import Plan
from faceblur.redaction import Style, redact
from faceblur.version import __version__

_LOOKED_AT = 1000  # frames from which the hidden share is told, at most
_SIDE = 320  # px of the longer side of the picture on which it is told


def facts(job: Job, plan: Plan, folders: Sequence[Path] = ()) -> Json:
    """All but the finished files and how long they took: the source, the options, the models, what is hidden.

    In `folders` are the models that the table of weights does not know. IncompleteError before the first solve, or
    after one that did not come to its end.
    """
    origin, solution = job.frames.origin(), job.solution.summary()
    if not solution:
        raise IncompleteError(f"the regions of {job.name} are not solved yet: run blur")
    source = None
    if origin:
        source = {"path": origin.path, "sha256": origin.sha256, "size": origin.size}
        source |= {"video": origin.video.to_json(), "recipe": origin.recipe}
    return {
        "version": __version__,
        "source": source,
        "damaged": origin.damaged if origin else 0,
        "moved": origin.moved if origin else 0,
        "frames": len(plan.numbers),
        "plan": plan.to_json(),
        "models": {name: models(name, folders) for name in sorted(plan.detectors)},
        "doubts": solution["doubts"],
        "regions": solution["regions"],
    } | _hidden(job, plan)


def summary(report: Json) -> str:
    """What is hidden, in a few words."""
    kinds = report["kinds"]
    of = f" ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})" if len(kinds) > 1 else ""
    share = f", {report['hidden']:.1%} of the picture" if kinds else ""
    counted = "1 region" if report["regions"] == 1 else f"{report['regions']} regions"
    return f"{counted} hidden{of}{share}"


def models(name: str, folders: Sequence[Path] = ()) -> list[Json]:
    """The files of weights that a detector goes by; none for those of another package, and those not in `folders`."""
    try:
        rows = [weights.entry(file) for file in detectors.needs(name)]
        others = [packages.find(file, folders, ()) for file in detectors.unlisted(name)]
    except FaceblurError:  # a detector of an older version, whose evidence still counts
        return []
    known = {row.file: row.sha256 for row in rows} | {path.name: sha256_of(path) for path in others}
    return [{"file": file, "sha256": sha256} for file, sha256 in known.items()]


def _hidden(job: Job, plan: Plan) -> Json:
    """Regions of each kind, and the share of the picture that is hidden: the mean of all frames, or of evenly many."""
    kinds: Counter[str] = Counter()
    shares = []
    step = max(1, -(-len(plan.numbers) // _LOOKED_AT))
    for index, regions in enumerate(_regions(job, plan)):
        kinds.update(region.kind for region in regions)
        if index % step == 0:
            shares.append(_share(regions, plan) if regions else 0.0)
    return {"kinds": dict(sorted(kinds.items())), "hidden": round(float(np.mean(shares)), 4)}


def _regions(job: Job, plan: Plan) -> Iterator[tuple[Region, ...]]:
    return map(job.solution.regions, plan.numbers)


def _share(regions: tuple[Region, ...], plan: Plan) -> float:
    scale = min(1.0, _SIDE / max(plan.width, plan.height))
    size = (max(1, round(plan.height * scale)), max(1, round(plan.width * scale)))
    small = [region.scaled(scale, scale) for region in regions]
    drawn = redact(np.full(size, 255, np.uint8), small, Style("solid", plan.look.shape))
    return float(np.mean(255 - drawn.astype(np.float32)) / 255)
