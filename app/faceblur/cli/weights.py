"""faceblur weights: the model files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from faceblur.cli.begin import begin
from faceblur.cli.failures import each
from faceblur.cli.flags import common, option

if TYPE_CHECKING:
    from pathlib import Path

    from faceblur.weights import Weights


@click.group()
def weights() -> None:
    """The model files."""


@weights.command("list")
@option("--json", "json_", is_flag=True, help="One JSON object a model and line.")
@common
@click.pass_context
def weights_list(ctx: click.Context, json_: bool) -> None:
    """Every model file: size, accuracy, licence, SHA-256, and where it was found. Exits with 4 when one is wrong."""
    import json

    from faceblur import weights as table
    from faceblur.errors import MissingError

    folders = begin(ctx, {}).options.weights
    states = [_facts(row, folders) for row in table.TABLE.values()]
    click.echo("\n".join([json.dumps(facts) for facts in states] if json_ else _lines(states)))
    problems = [facts["problem"] for facts in states if facts["problem"]]
    if problems:
        raise MissingError("; ".join(problems))


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common
@click.pass_context
def weights_fetch(ctx: click.Context, names: Sequence[str]) -> None:
    """Bring model files here; without NAME those of the presets. Stopped, it goes on the next time."""
    from faceblur import detectors
    from faceblur import weights as table
    from faceblur.options import PRESETS, stands_for

    members = {member for preset in PRESETS for member in stands_for(preset)}
    context = begin(ctx, {})

    def one(name: str) -> None:
        row = table.entry(name)
        if row.restricted:
            context.progress.warn(f"{name} is restricted, read its licence: {row.licence}")
        click.echo(context.weights(name))

    each(names or sorted({file for member in members for file in detectors.needs(member)}), one)


@weights.command("path")
@click.argument("name")
@common
@click.pass_context
def weights_path(ctx: click.Context, name: str) -> None:
    """Where a model file is."""
    from faceblur import weights
    from faceblur.errors import MissingError

    path = weights.find(name, begin(ctx, {}).options.weights)
    if path is None:
        raise MissingError(f"{name} is not here yet: faceblur weights fetch {name}")
    click.echo(path)


def _facts(row: "Weights", folders: "Sequence[Path]") -> dict[str, Any]:
    """What is known of one model; a wrong file is the `problem` of its row and does not keep the other rows back."""
    from dataclasses import asdict

    from faceblur import weights
    from faceblur.errors import MissingError

    path, problem = None, None
    try:
        path = weights.find(row.name, folders)
    except MissingError as error:
        problem = str(error)
    figures = dict(zip(("easy", "medium", "hard"), row.wider_face, strict=True)) if row.wider_face else None
    found = {"path": str(path) if path else None, "problem": problem}
    return asdict(row) | {"wider_face": figures, "restricted": row.restricted} | found


def _lines(states: Sequence[dict[str, Any]]) -> list[str]:
    """A table for people; below each model what is too long for a column."""
    rows = [("name", "bytes", "easy / medium / hard", "licence")]
    for s in states:
        figures = " / ".join(f"{value:.3f}" for value in (s["wider_face"] or {}).values()) or "not measured"
        rows.append((s["name"], str(s["size"]), figures, ("RESTRICTED: " if s["restricted"] else "") + s["licence"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [(n.ljust(widths[0]), b.rjust(widths[1]), f.ljust(widths[2]), licence) for n, b, f, licence in rows]
    head, *table = ["  ".join(row) for row in cells]
    lines = [head]
    for line, s in zip(table, states, strict=True):
        place = f"WRONG: {s['problem']}" if s["problem"] else s["path"] or "not here yet"
        lines += [line, f"  {s['file']}", f"  SHA-256 {s['sha256']}", f"  {place}"]
    lines += ["", "easy / medium / hard: average precision on 250 validation photos of WIDER FACE"]
    if any(s["restricted"] for s in states):
        lines.append("RESTRICTED: the licence asks for more than to be named, or forbids uses; read it first")
    return lines
