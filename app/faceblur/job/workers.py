"""The workers of a job: who is alive, told by a lock of each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faceblur import claims, files
from faceblur.domain import canonical
from faceblur.job import records


class Workers:
    """In a folder of their own, so that whoever looks for the living does not list the claims of all blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def presence(self, token: str, detectors: Sequence[str]) -> Iterator[None]:
        """Be counted among the living while the block runs; `token` is the worker's own unique name."""
        path = self._folder / f"{token}.lock"
        with claims.claim(path, timeout_s=5):
            files.write(path.with_suffix(".json"), canonical({"detectors": list(detectors)}).encode())
            try:
                yield
            finally:
                _remove(path)  # nobody else ever claims this name

    def living(self, besides: str = "", running: str = "") -> dict[str, list[str]]:
        """Those that are alive now, or those of them with the detector `running`: token and detectors of each.

        Traces of the dead are removed.
        """
        alive = {}
        for path in sorted(self._folder.glob("*.lock")):
            if path.stem == besides:
                continue
            names = list((records.read(path.with_suffix(".json")) or {}).get("detectors", []))
            if running and running not in names:
                continue  # before its lock is asked for: that takes a while where it is held
            with claims.claim(path, timeout_s=0.05) as dead:
                if dead:
                    _remove(path)
                else:
                    alive[path.stem] = names
        return alive


def _remove(lock: Path) -> None:
    lock.with_suffix(".json").unlink(missing_ok=True)
    lock.unlink(missing_ok=True)
