"""How far each job is, told by its files."""

from collections.abc import Sequence

from faceblur.domain import Json
from faceblur.errors import FaceblurError, OutputError
from faceblur.job import DirectJob, Job
from faceblur.plan import naming


def facts(job: Job) -> Json:
    """What there is of a job: frames, evidence, regions, rendered frames, videos, and who is at work on it."""
    state: Json = {"job": job.name, "frames": 0, "files": not isinstance(job, DirectJob)}
    state |= {"problem": None, "workers": _workers(job)}
    try:
        state["frames"] = len(job.frames.numbers())
        with job.frames.glance():
            return state | _progress(job)
    except FaceblurError as error:
        return state | {"problem": str(error)}


def _progress(job: Job) -> Json:
    first, last, width, height = job.extent()
    plan = job.plan()
    state: Json = {"width": width, "height": height, "detected": {}, "solved": False, "rendered": 0, "due": []}
    if plan is None:
        return state | {"due": list(range(first, last + 1))}
    complete, ends = True, job.watch.ends(plan)
    for name in sorted(plan.detectors):
        planned = job.watch.sees(plan, name, ends)
        seen = sum(job.evidence.has(name, number) for number in planned)
        complete = complete and seen == len(planned)
        state["detected"][name] = [seen, len(planned)]
    state["solved"] = complete and job.solution.is_current(plan)
    if isinstance(job, DirectJob):
        return state | {"rendered": None, "videos": _finished(job), "doubts": _doubts(job)}
    due = [number for number in plan.numbers if not state["solved"] or not job.pictures.is_rendered(plan, number)]
    rendered = len(plan.numbers) - len(due)
    return state | {"rendered": rendered, "due": due, "videos": _finished(job), "doubts": _doubts(job)}


def _finished(job: Job) -> list[str]:
    return list(map(str, job.reports.outputs()))


def _doubts(job: Job) -> int:
    return len(job.solution.summary().get("doubts", []))


def _workers(job: Job) -> int | None:
    """How many workers are alive; None where that cannot be asked, as on a read-only mount."""
    try:
        return len(job.workers.living())
    except OutputError:
        return None


def lines(states: Sequence[Json]) -> list[str]:
    """The facts of some jobs, for people."""
    return [line for state in states for line in _lines(state)] or ["no jobs yet: split or run a video first"]


def _lines(state: Json) -> list[str]:
    workers = {None: "", 0: ""}.get(state["workers"], f", {state['workers']} at work")
    count = "1 frame" if state["frames"] == 1 else f"{state['frames']} frames"
    head = f"{state['job']}: {count}{'' if state['files'] else ', without files'}{workers}"
    if state["problem"]:
        return [head, f"  {state['problem']}"]
    result = [head]
    result += [f"  detected {seen}/{planned} by {name}" for name, (seen, planned) in state["detected"].items()]
    if state["rendered"] is not None:
        due = f", due: {naming(state['due'])}" if state["due"] else ""
        result.append(f"  rendered {state['rendered']}/{state['frames']}{due}")
    if state.get("doubts"):
        result.append(f"  {state['doubts']} doubts: faceblur doubts {state['job']}")
    return result + [f"  video {path}" for path in state.get("videos", [])]
