"""How failures are told, and what becomes of the rest where one of many fails."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from faceblur.errors import FaceblurError, Interrupted

T = TypeVar("T")


class Failures:
    """Failures that do not keep the rest: each is told at once, and its code is the exit code (1 where they differ)."""

    def __init__(self) -> None:
        self._codes: set[int] = set()

    def tell(self, error: FaceblurError) -> None:
        self._codes.add(error.exit_code)
        complain(error)

    def each(self, items: Iterable[T], do: Callable[[T], Any]) -> None:
        """Do something for each, whatever fails."""
        for item in items:
            try:
                do(item)
            except Interrupted:
                raise
            except FaceblurError as error:
                self.tell(error)
            except Exception as error:  # whatever goes wrong with one of a thousand photos
                if isinstance(error, BrokenPipeError) or _told().get("traceback"):
                    raise
                self.tell(unexpected(error))

    def leave(self) -> None:
        """End the command, if anything failed."""
        if self._codes:
            raise click.exceptions.Exit(self._codes.pop() if len(self._codes) == 1 else 1)


def each(items: Iterable[T], do: Callable[[T], Any]) -> None:
    """Do something for each; a failure does not keep the rest, and its code is the exit code (1 where they differ)."""
    failures = Failures()
    failures.each(items, do)
    failures.leave()


def unexpected(error: Exception) -> FaceblurError:
    """An error of the program itself, as people are told of it."""
    return FaceblurError(
        f"unexpected {type(error).__name__}: {error}; run again with --traceback and report what it prints"
    )


def _told() -> dict[str, Any]:
    """How this command is to tell things."""
    told: dict[str, Any] = click.get_current_context().find_root().ensure_object(dict)
    return told


def complain(error: FaceblurError, told: dict[str, Any] | None = None) -> None:
    if told is None:
        told = _told()
    if told.get("traceback"):
        import traceback

        traceback.print_exception(error)
    if told.get("progress") == "json":
        from faceblur.progress import Events

        Events().failure(str(error), error.exit_code)
    click.echo(f"faceblur: {error}", err=True)
