"""Faceblur from Python: the same as the command line, in a few names.

    import faceblur

    video = faceblur.run("clip.mp4", faceblur.Options(style="solid"))

    detector = faceblur.create_detector("centerface", faceblur.Options().weights)   # stays loaded
    [found] = detector.detect([image])                                              # (H, W, 3) uint8 BGR
    hidden = faceblur.redact(image, faceblur.regions(found), faceblur.Style("pixelate"))

With `Options(workers=2)` or more, guard the calling script with `if __name__ == "__main__":`, as for any program that
starts processes. Names are resolved when first used, so that `import faceblur` alone loads nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from faceblur.version import __version__ as __version__

if TYPE_CHECKING:
    from faceblur.detectors import create as create_detector
    from faceblur.detectors.base import Detector
    from faceblur.domain import Box, Detection, Region
    from faceblur.errors import FaceblurError
    from faceblur.options import Options
    from faceblur.pipeline import run_source as run
    from faceblur.redaction import Style, redact
    from faceblur.temporal import Settings, regions

__all__ = [
    "Box",
    "Detection",
    "Detector",
    "FaceblurError",
    "Options",
    "Region",
    "Settings",
    "Style",
    "create_detector",
    "redact",
    "regions",
    "run",
]

_HOMES = {
    "Box": ("domain", "Box"),
    "Detection": ("domain", "Detection"),
    "Detector": ("detectors.base", "Detector"),
    "FaceblurError": ("errors", "FaceblurError"),
    "Options": ("options", "Options"),
    "Region": ("domain", "Region"),
    "Settings": ("temporal", "Settings"),
    "Style": ("redaction", "Style"),
    "create_detector": ("detectors", "create"),
    "redact": ("redaction", "redact"),
    "regions": ("temporal", "regions"),
    "run": ("pipeline", "run_source"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'faceblur' has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    value = getattr(importlib.import_module(f"faceblur.{module}"), attribute)
    globals()[name] = value
    return value
