"""faceblur weights: the model files."""

from collections.abc import Sequence

import click

from faceblur.cli.common import begin, common, each


@click.group()
def weights() -> None:
    """The model files."""


@weights.command("list")
@common
@click.pass_context
def weights_list(ctx: click.Context) -> None:
    """Every model file: size, licence, SHA-256, and where it was found."""
    from faceblur import weights as table

    folders = begin(ctx, {}).options.weights
    for row in table.TABLE.values():
        click.echo(f"{row.name}: {row.file}, {row.size} bytes, {row.licence}")
        click.echo(f"  SHA-256 {row.sha256}")
        click.echo(f"  {table.find(row.name, folders) or 'not here yet'}")


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common
@click.pass_context
def weights_fetch(ctx: click.Context, names: Sequence[str]) -> None:
    """Bring model files here; without NAME those of the presets."""
    from faceblur import detectors, weights
    from faceblur.options import PRESETS

    members = [member for preset in PRESETS.values() for member in preset]
    context = begin(ctx, {})
    wanted = names or sorted({file for member in members for file in detectors.needs(member)})
    each(context, wanted, lambda name: click.echo(weights.fetch(name, context.options.weights)))


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
