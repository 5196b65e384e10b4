"""The table of detectors, and `create`. A new detector is one file and one row here."""

import importlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from faceblur import weights as weights_table
from faceblur.detectors import network
from faceblur.detectors.base import Detector
from faceblur.detectors.cascade import Cascade
from faceblur.detectors.ensemble import Ensemble, Span
from faceblur.detectors.views import View, Viewed
from faceblur.errors import UsageError

# From 1.29 on onnxruntime tells its makers about models and sessions, unless this is set before it is loaded, by us or
# by a package of others. Nothing may leave the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@dataclass(frozen=True, slots=True)
class Row:
    """Where a detector's class is, what it finds, its settings, the weights it needs, and what its user must know.

    Of one that `picks`, the module's `unlisted` tells which file takes the place of the weights here, if any does.
    """

    module: str
    factory: str
    kind: str = "face"
    weights: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    notice: str = ""
    picks: bool = False


TABLE = {
    "centerface": Row("centerface", "CenterFace", weights=("centerface",)),
    "centerface.half": Row("centerface", "CenterFace", weights=("centerface",), settings={"half": True}),
    "yunet": Row("yunet", "YuNet", weights=("yunet",)),
    "yunet.n": Row("yunet", "YuNet", weights=("yunet.n",)),
    "haar": Row("haar", "Haar"),
    "ssd": Row("ssd", "Ssd", weights=("ssd", "ssd-graph")),
    "blazeface": Row(
        "blazeface",
        "BlazeFace",
        weights=("blazeface",),
        settings={"side": 128, "grids": ((8, 2), (16, 6)), "steep": 2.0},
    ),
    "blazeface-full": Row(
        "blazeface", "BlazeFace", weights=("blazeface-full",), settings={"side": 192, "grids": ((4, 1),), "steep": 1.0}
    ),
    "retinaface-mobile": Row("retinaface_mobile", "RetinaFaceMobile", weights=("retinaface-mobile",)),
    "scrfd": Row(
        "scrfd", "Scrfd", weights=("scrfd",), notice="the weights of scrfd are for non-commercial research only"
    ),
    "yolox": Row("yolox", "YoloX", kind="person", weights=("yolox",)),
    "yolox.heads": Row("yolox", "YoloX", kind="head", weights=("yolox",), settings={"heads": True}),
    "hyperlpr": Row("hyperlpr", "HyperLpr", kind="plate", weights=("hyperlpr",)),
    "haar-plate": Row("haar", "HaarPlate", kind="plate"),
    "mtcnn": Row("mtcnn", "MtCnn"),
    "retinaface": Row("retinaface", "RetinaFace", weights=("retinaface",), picks=True),
    "null": Row("null", "Null"),
}
# Rows for many names: FAMILY.MEMBER, or FAMILY:MEMBER as a person may write. The module's `check` knows the members.
FAMILIES = {"deepface": Row("deepface", "DeepFace")}


@dataclass(frozen=True, slots=True)
class Enough:
    """A view whose word is enough for things from `least_px` to below `most_px`.

    Of other things it says what any view of its mix does where it is among them, and nothing where it is not. Where
    others look so closely that a large face fills what they see, most of them miss one that is turned or cut.
    What it sees is looked at `again` with another view: how likely that thinks it is, is enough, too; its own counts
    for less.
    """

    view: str
    least_px: float = 96.0
    most_px: float = math.inf
    again: str = ""


@dataclass(frozen=True, slots=True)
class Mix:
    """Views of detectors whose findings are taken together, and some whose word is enough for things of their sizes."""

    views: tuple[str, ...]
    enough: tuple[Enough, ...] = ()


@dataclass(frozen=True, slots=True)
class Stages:
    """Mixes of which one is used for a picture, by what `first`, a view of theirs, says of it: see detectors.cascade.

    `many` is from how many small faces on it is one of a crowd.
    """

    first: str
    close: Mix
    usual: Mix
    crowd: Mix
    many: float


_MANY = (
    *("centerface@0.25", "centerface@0.5@flip", "centerface@1@flip", "centerface@1.5", "centerface@2"),
    *("yunet.n@0.5@flip", "yunet.n@1@flip", "yunet.n@1.5", "yunet.n@2"),
)
_HALF = "centerface@0.5"
_LARGE = Enough(_HALF)
# In a photo of twelve megapixels a face close to the camera is too large at half the size, too. So small a look takes
# 4 % of the time of one at the size of a photo of 1024 px.
_TINY = Enough("centerface@192x192")
# In videos mistakes add up, as the best of many looks count: from 96 px on it hid 0.1 % more for nothing.
# In 17 clips of 720p faces of this size and more stayed visible in 1.7 % of their frames, without a tiny look in 3.8 %.
# What else passes for a face at 192 px (a parked car, a tenth of a street video) does not at 448 px, and a face that is
# turned away is seen the better there. Of ten clips of 720p a quarter of the frames looked at were looked at again.
_FILLING = replace(_TINY, least_px=160.0, again="centerface@448x448")
# What is larger is seen well enough in three quarters of the size. Where a closer look had its word on it, too (up to
# 96 px), `slow` left as many faces visible on eight hard clips.
_CLOSER_PX = 67.0
# For people who lie, and cameras held sideways. In 80 photos turned by a quarter `fast` covered 0.43 of the faces, of
# those of 96 px and more 0.75; with these looks 0.56 and 0.97. In photos as they are it hid 0.05 % more with them.
_TURNED = tuple(Enough(f"{_HALF}@{word}", least_px=0.0) for word in ("left", "right", "over"))
# In videos what they say by themselves, from a probability of 0.2 on, hid 1.1 % more of one of three hard clips for
# nothing; where a closer look at the turned picture has to say so, too, 0.03 % more and none of two.
_LYING = tuple(Enough(f"{_HALF}@{word}", least_px=32.0, again=f"centerface@0.75@{word}") for word in ("left", "right"))
# Under names that change when their views do. fast.7, slow.8 and, for large frames, fast.8 and slow.9 are for videos,
# where time shows a face in many ways already: on eight hard clips, at 3 % of the picture hidden for nothing, slow.9
# without its turned looks left 3.4 % of the faces visible, fast.8 believed that early 4.9 %, means of three to six
# views 3.7 to 5.3 %.
# The others are for photos. On 250 of them:
# fast.2 looks closer at 10, in which are 38 % of all faces below 20 px, and at 88 no more: AP 0.937 / 0.918 / 0.851.
# CenterFace at half size and YuNet-n, for all of them, took as long for 0.936 / 0.916 / 0.835.
# lone.2 has CenterFace's weights only: 0.939 / 0.924 / 0.852 in less time than CenterFace, which has 0.932 / 0.916 /
# 0.799. Of 138 faces of 96 px and more it covers 0.993; CenterFace, which looks too closely for some, 0.957.
# slow.10 covers 0.993 of these, without the smallest look's word 0.978. With the turned looks it has 0.951 / 0.936 /
# 0.907 in place of 0.949 / 0.934 / 0.906, covers 0.990 of all faces in place of 0.989, and hides 5.5 % of the picture
# for nothing in place of 5.1 %.
ENSEMBLES: dict[str, Mix | Stages] = {
    "lone.2": Stages(
        first=_HALF,
        close=Mix((_HALF,), enough=(_TINY,)),
        usual=Mix(("centerface",), enough=(_LARGE, _TINY)),
        crowd=Mix(("centerface@1.5",), enough=(_LARGE, _TINY)),
        many=8,
    ),
    "fast.2": Stages(
        first=_HALF,
        close=Mix((_HALF,), enough=(_TINY,)),
        usual=Mix((_HALF, "yunet.n@1"), enough=(_TINY,)),
        crowd=Mix((_HALF, "yunet.n@1", "centerface@1.5"), enough=(_TINY,)),
        many=16,
    ),
    "fast.7": Mix(("centerface",), enough=(_FILLING,)),
    "fast.8": Mix(("centerface@0.75",), enough=(_FILLING,)),
    "turned.1": Mix(tuple(one.view for one in _TURNED), enough=_TURNED),
    "slow.10": Mix(_MANY, enough=(Enough("centerface@0.25"), *_TURNED)),
    # With a look at twice the size for what is below 50 px as many faces stayed visible in three clips of 640x360, and
    # 6.1 % of the picture was hidden for nothing in place of 4.8 %.
    "slow.8": Mix(("centerface",), enough=(_FILLING, *_LYING)),
    "slow.9": Mix(("centerface@0.75",), enough=(_FILLING, Enough("centerface@1.5", 0.0, _CLOSER_PX), *_LYING)),
}
# What a person may write for one of them, whatever its number.
ALIASES = {"turned": "turned.1"}
# The views of `DETECTOR@WORD`; the size is that of the detector's own view.
COPIES = {
    "": (View(),),
    "flip": (View(), View(mirror=True)),
    "scales": (View(), View(times=0.5), View(times=2.0)),
    "full": tuple(View(times=times, mirror=mirror) for times in (1.0, 0.5, 2.0) for mirror in (False, True)),
    "left": (View(turns=1),),
    "over": (View(turns=2),),
    "right": (View(turns=3),),
}


@dataclass(frozen=True, slots=True)
class Spec:
    """A detector, its view, and a word of COPIES: `centerface`, `yunet@0.5`, `centerface@1280x720@flip`."""

    row: str
    view: View
    copies: str = ""

    @classmethod
    def parse(cls, name: str) -> Self:
        """UsageError, listing the table, for what names no detector."""
        row, *parts = name.split("@")
        if ALIASES.get(row, row) in ENSEMBLES:
            raise UsageError(f"{row} has its own views: no other size and no copies can be asked of it")
        row = row.replace(":", ".")
        copies = parts.pop() if parts and parts[-1] and parts[-1] in COPIES else ""
        if not _known(row) or len(parts) > 1:
            rows = (n for n in TABLE if n != "null")
            known = ", ".join([*rows, *(f"{family}.NAME" for family in FAMILIES), *ALIASES])
            raise UsageError(f"no detector is called {name!r}; there are: {known}, and the presets fast and slow")
        return cls(row, View.parse(parts[0] if parts else "auto"), copies)

    @property
    def views(self) -> list[View]:
        """How it looks at a picture, one after the other."""
        return [replace(copy, size=self.view.size) for copy in COPIES[self.copies]]

    def __str__(self) -> str:
        return "@".join([self.row, *([] if self.view == View() else [str(self.view)]), *filter(None, [self.copies])])


def resolve(name: str) -> str:
    """The one name for what a person wrote; UsageError, listing the table, when there is none."""
    name = ALIASES.get(name, name)
    return name if name in ENSEMBLES else str(Spec.parse(name))


def exists(name: str) -> bool:
    """Whether there is a detector of that name, which an older version may have stored."""
    try:
        resolve(name)
    except UsageError:
        return False
    return True


def needs(name: str) -> list[str]:
    """The weights of the table that a detector needs."""
    rows = [_row(spec.row) for spec in _members(name)]
    return sorted({file for row in rows if not _unlisted(row) for file in row.weights})


def unlisted(name: str) -> list[str]:
    """The model files that a detector needs and the table of weights does not know, by their file names."""
    return sorted({_unlisted(_row(spec.row)) for spec in _members(name)} - {""})


def kind(name: str) -> str:
    """What a detector of any name that was ever stored looks for."""
    row = _words(name)[0].partition("@")[0]
    found = TABLE.get(row) or FAMILIES.get(row.partition(".")[0])
    return found.kind if found else "face"


def notices(name: str) -> list[str]:
    """What a user of a detector must know: that its weights are for research only, or that no GPU can be used."""
    rows = [_row(spec.row) for spec in _members(name)]
    told = {row.notice for row in rows}
    if any(weights_table.entry(file).file.endswith(".onnx") for row in rows for file in row.weights):
        told.add(network.notice())
    return sorted(told - {""})


def create(name: str, weights: Sequence[Path], threads: int = 0) -> Detector:
    """A detector, ready to use, with its weights from one of the folders `weights` (fetched when missing).

    `threads` is the number of processor threads for one picture, 0 for all there are. Heavy packages are imported
    here and not before. Raises UsageError for an unknown name, MissingError for weights that cannot be had.
    """
    full = resolve(name)
    models = {row: _model(row, weights, threads) for row in dict.fromkeys(spec.row for spec in _members(full))}

    @cache
    def look(row: str, view: View, turned: str) -> Viewed:
        return Viewed("@".join(filter(None, [row, str(view), turned])), models[row], view)

    def looks(word: str) -> list[Viewed]:
        spec = Spec.parse(word)
        return [look(spec.row, view, spec.copies if view.turns else "") for view in spec.views]

    def mixed(mix: Mix) -> Ensemble:
        members = [view for word in mix.views for view in looks(word)]
        enough: dict[Detector, Span] = {
            view: (one.least_px, one.most_px) for one in mix.enough for view in looks(one.view)
        }
        again: dict[Detector, Detector] = {
            view: other
            for one in mix.enough
            if one.again
            for view, other in zip(looks(one.view), looks(one.again), strict=True)
        }
        return Ensemble(full, members, enough, again)

    entry = ENSEMBLES.get(full)
    if isinstance(entry, Stages):
        [first] = looks(entry.first)
        close, usual, crowd = map(mixed, (entry.close, entry.usual, entry.crowd))
        return Cascade(full, first, close=close, usual=usual, crowd=crowd, many=entry.many)
    if entry is None and len(views := Spec.parse(full).views) == 1:
        [spec] = _members(full)
        return Viewed(full, models[spec.row], views[0])
    return mixed(entry or Mix((full,)))


def _words(name: str) -> list[str]:
    """The views that a detector looks with, as its entry names them."""
    entry = ENSEMBLES.get(name) or Mix((name,))
    mixes = (entry.close, entry.usual, entry.crowd) if isinstance(entry, Stages) else (entry,)
    enough = (word for mix in mixes for one in mix.enough for word in (one.view, one.again) if word)
    return list(dict.fromkeys([*(word for mix in mixes for word in mix.views), *enough]))


def _members(name: str) -> list[Spec]:
    return [Spec.parse(word) for word in _words(name)]


def _known(name: str) -> bool:
    if name in TABLE:
        return True
    family, _, member = name.partition(".")
    if family not in FAMILIES or not re.fullmatch("[a-z0-9]+", member):
        return False
    _module(FAMILIES[family]).check(member)
    return True


def _row(name: str) -> Row:
    return TABLE.get(name) or FAMILIES[name.partition(".")[0]]


def _unlisted(row: Row) -> str:
    return str(_module(row).unlisted()) if row.picks else ""


def _module(row: Row) -> ModuleType:
    return importlib.import_module(f"faceblur.detectors.{row.module}")


def _model(name: str, weights: Sequence[Path], threads: int) -> Detector:
    row = _row(name)
    detector: Detector = getattr(_module(row), row.factory)(name=name, weights=weights, threads=threads, **row.settings)
    detector.kind = row.kind
    return detector
