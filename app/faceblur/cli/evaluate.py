"""faceblur evaluate: how well faces are hidden, where it is known where they are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from faceblur.cli.begin import begin
from faceblur.cli.failures import Failures
from faceblur.cli.flags import SOLVE, option, options
from faceblur.errors import UsageError


@click.group()
def evaluate() -> None:
    """How well faces are hidden, where it is known where they are."""


@evaluate.command("video")
@click.argument("source", type=click.Path(path_type=Path))
@option("--truth", type=click.Path(path_type=Path), required=True, help="Where the faces are, as JSON.")
@option("--detector", multiple=True, default=("fast",), metavar="NAME[+NAME...][,...]", help="Any number of them.")
@option("--redacted", type=click.Path(path_type=Path), help="Measure this finished video, made with a solid fill.")
@option("--json", "json_", is_flag=True, help="One JSON object.")
@option("--plot", type=click.Path(path_type=Path), help="Draw the figures over time into this PNG file.")
@options(SOLVE)
@click.pass_context
def evaluate_video(
    ctx: click.Context,
    /,
    *,
    source: Path,
    truth: Path,
    detector: Sequence[str],
    redacted: Path | None,
    json_: bool,
    plot: Path | None,
    **given: Any,
) -> None:
    """Faces of SOURCE that stay visible with some detectors, or in a finished video. Redoes no detection."""
    import json

    from faceblur import evaluation

    names = _names(detector)
    context = begin(ctx, given | {"detector": "+".join(names)})
    _check_file("--plot", plot, ".png")
    labels = evaluation.Truth.read(truth)
    found = (
        [evaluation.leaks(source, redacted, labels)] if redacted else evaluation.video(source, labels, context, names)
    )
    results = list(found)
    if plot:
        evaluation.plot(plot, results)
    facts = {"source": str(source), "truth": str(truth), "results": [figures.to_json() for figures in results]}
    click.echo(json.dumps(facts) if json_ else "\n".join(evaluation.lines(results)))


@evaluate.command("photos")
@option("--images", "folder", type=click.Path(path_type=Path), required=True, help="The folder of the photos.")
@option("--truth", type=click.Path(path_type=Path), required=True, help="Their labels: WIDER FACE, YOLO, VOC, CSV.")
@option("--detector", multiple=True, default=("fast",), metavar="NAME[+NAME...][,...]", help="Any number of them.")
@option("--class", "only", metavar="NAME", help="Only labels of this class: a number of YOLO's, a name of VOC's.")
@option("--limit", type=click.IntRange(min=1), help="Take so many of the photos, spread evenly.")
@option("--json", "json_", is_flag=True, help="One JSON object.")
@option("--dump", "dump_", type=click.Path(path_type=Path), help="Write all detections into this JSON file.")
@option("--misses", "misses_", type=click.Path(path_type=Path), help="Draw what stays visible into this folder.")
@option("--plot", type=click.Path(path_type=Path), help="Draw precision, recall, misses and time into this PNG file.")
@options(SOLVE[:3])
@click.pass_context
def evaluate_photos(
    ctx: click.Context,
    /,
    *,
    folder: Path,
    truth: Path,
    detector: Sequence[str],
    only: str | None,
    limit: int | None,
    json_: bool,
    dump_: Path | None,
    misses_: Path | None,
    plot: Path | None,
    **given: Any,
) -> None:
    """How well detectors find the faces in labelled photos, and how well each photo by itself would be hidden."""
    import json

    from faceblur import evaluation

    names = _names(detector)
    context = begin(ctx, given | {"detector": "+".join(names)})
    _check_file("--dump", dump_)
    _check_file("--plot", plot, ".png")
    _check_folder("--misses", misses_)
    failures = Failures()
    results = evaluation.photos(folder, truth, context, names, limit, only=only, failed=failures.tell)
    facts = {"images": str(folder), "truth": str(truth), "results": [result.to_json() for result in results]}
    click.echo(json.dumps(facts) if json_ else "\n".join(evaluation.photo_lines(results)))
    writers: list[tuple[Path | None, Callable[[Path], object]]] = [
        (dump_, lambda path: evaluation.dump(path, results)),
        (plot, lambda path: evaluation.photo_plot(path, results, context)),
        (misses_, lambda path: evaluation.misses(path, results, context)),
    ]
    failures.each(writers, lambda writer: writer[1](writer[0]) if writer[0] else None)
    failures.leave()


def _check_file(name: str, path: Path | None, ending: str = "") -> None:
    """UsageError or OutputError where the file of an option cannot be written: told before hours of detection."""
    from faceblur import files

    if path and path.is_dir():
        raise UsageError(f"{name} {path} is a folder; it must be a file")
    if path and ending and path.suffix.lower() != ending:
        raise UsageError(f"{name} {path}: the file must end in {ending}")
    if path:
        files.check_writable(path)


def _check_folder(name: str, path: Path | None) -> None:
    """The same for a folder of files."""
    from faceblur import files

    if path and path.exists() and not path.is_dir():
        raise UsageError(f"{name} {path} is a file; it must be a folder")
    if path:
        files.check_writable(path / "any")


def _names(detector: Sequence[str]) -> list[str]:
    """The combinations asked for, each once."""
    return list(dict.fromkeys(name.strip() for names in detector for name in names.split(",") if name.strip()))
