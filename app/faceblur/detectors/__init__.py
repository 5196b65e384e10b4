"""The table of detectors, and `create`. A new detector is one file and one row here."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceblur.detectors.base import Detector
from faceblur.errors import UsageError


@dataclass(frozen=True, slots=True)
class Row:
    """Where a detector's class is, the settings that make this variant of it, and the weights it needs."""

    module: str
    factory: str
    settings: dict[str, Any] = field(default_factory=dict)
    weights: str = ""


TABLE = {
    "centerface@auto": Row("centerface", "CenterFace", {}, "centerface"),
    "centerface@full": Row("centerface", "CenterFace", {"scales": (0.5, 1.0, 2.0), "mirror": True}, "centerface"),
    "yunet": Row("yunet", "YuNet", {}, "yunet"),
    "haar": Row("haar", "Haar"),
    "null": Row("null", "Null"),
}
ALIASES = {"centerface": "centerface@auto"}


def resolve(name: str) -> str:
    """The table's name for what a person wrote; UsageError, listing the table, when there is none."""
    full = ALIASES.get(name, name)
    if full not in TABLE:
        known = ", ".join(n for n in TABLE if n != "null")
        raise UsageError(f"no detector is called {name!r}; there are: {known}, and the presets fast and slow")
    return full


def create(name: str, weights: Sequence[Path], threads: int = 0) -> Detector:
    """A detector, ready to use, with its weights from one of the folders `weights` (fetched when missing).

    `threads` is the number of processor threads for one picture, 0 for all there are. Heavy packages are imported
    here and not before. Raises UsageError for an unknown name, MissingError for weights that cannot be had.
    """
    full = resolve(name)
    row = TABLE[full]
    module = importlib.import_module(f"faceblur.detectors.{row.module}")
    detector: Detector = getattr(module, row.factory)(name=full, weights=weights, threads=threads, **row.settings)
    return detector
