"""faceblur evaluate: how well faces are hidden, where it is known where they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from faceblur.cli.common import SOLVE, begin, option, options


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

    names = list(dict.fromkeys(name.strip() for names in detector for name in names.split(",") if name.strip()))
    context = begin(ctx, given | {"detector": "+".join(names)})
    labels = evaluation.Truth.read(truth)
    found = (
        [evaluation.leaks(source, redacted, labels)] if redacted else evaluation.video(source, labels, context, names)
    )
    results = list(found)
    if plot:
        evaluation.plot(plot, results)
    facts = {"source": str(source), "truth": str(truth), "results": [figures.to_json() for figures in results]}
    click.echo(json.dumps(facts) if json_ else "\n".join(evaluation.lines(results)))
