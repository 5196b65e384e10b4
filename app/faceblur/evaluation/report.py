"""What detectors made of photos: as a table, a chart, a file of all detections, and sheets of what they missed."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceblur import chart, files, images, overlay
from faceblur.context import Context
from faceblur.domain import Box, canonical
from faceblur.evaluation.photos import SIZES_PX, Result, f1, photo, times
from faceblur.evaluation.table import table

_CELL = (160, 160)  # width and height of a picture in a sheet, without its caption
_COLUMNS, _PAGE = 10, 100
_AROUND = 1.0  # how much of the photo is shown around a missed face, as a share of it on each side
_RECALLS = np.linspace(0, 1, 101)  # of the chart
_THRESHOLDS = (0.02, 0.05, 0.1, 0.18, 0.25, 0.4, 0.6, 0.9)  # of the chart
_BEYOND = 2.5  # times what is most hidden for nothing at the threshold asked for, up to which the chart shows more


def photo_lines(results: Sequence[Result]) -> list[str]:
    """Two tables, for people: how good each detector is, and which share of the faces of each width it misses.

    Below them what took the place of detectors that could not be had: the figures are of that.
    """
    whole, large = (f"covered ≥{width:g} px" for width in (SIZES_PX[0], SIZES_PX[-2]))
    sets = results[0].sets
    aps = [f"AP {name}" for name in sets] if len(sets) > 1 else ["AP"]
    good = [("", *aps, "mAP50", "precision", "recall", "F1", whole, large, "extra", "ms median", "mean", "×")]
    for result, ratio in zip(results, times(results), strict=True):
        at, found = result.operating
        shares = [*map(result.average, sets), result.curve.area, at, found, f1(at, found)]
        missed = [result.covered(low).missed for low in (SIZES_PX[0], SIZES_PX[-2])]
        cells = [*("-" if share is None else f"{1 - share:.3f}" for share in missed), f"{result.extra:.2%}"]
        cells += [*(f"{ms:.1f}" for ms in result.milliseconds), f"{ratio:.2f}" if ratio else "-"]
        good.append((result.name, *(f"{share:.3f}" for share in shares), *cells))
    sizes = [("missed", *map(str, results[0].bins))]
    sizes += [(r.name, *("-" if b.missed is None else f"{b.missed:.1%}" for b in r.bins)) for r in results]
    sizes.append(("faces", *(str(b.faces) for b in results[0].bins)))
    counted = ", ".join(f"{results[0].number(name)} {name}" for name in sets)
    heading = f"{len(results[0].seen)} photos; faces that count: {counted}"
    replaced = [f"{r.name}: {name} could not be had, {why}" for r in results for name, why in r.missing.items()]
    return [heading, "", *table(good), "", *table(sizes), *[""][: len(replaced)], *replaced]


def photo_plot(path: Path, results: Sequence[Result], context: Context) -> None:
    """Write a PNG, a line or a dot for each result: precision against recall, and the share of faces that is missed.

    That by their width, against the area hidden for nothing as the threshold changes, and against time.
    """
    curves = {result.name: result.curve.at(_RECALLS).tolist() for result in results}
    recalls: dict[float, str] = {index: f"{_RECALLS[index - 1]:g}" for index in range(1, len(_RECALLS) + 1, 20)}
    missed = {result.name: [100 * (part.missed or 0.0) for part in result.bins] for result in results}
    widths: dict[float, str] = {
        index: str(part).removesuffix(" px") for index, part in enumerate(results[0].bins, start=1)
    }
    shares = {result.name: 100 * (result.covered().missed or 0.0) for result in results}
    extras = {result.name: 100 * result.extra for result in results}
    trades: dict[str, list[tuple[float, float]]] = {}
    with context.progress.step(path.name, "draw", len(results)) as step:
        for result in results:
            context.stop.check()
            trades[result.name] = [(100 * extra, 100 * share) for extra, share in result.trade(_THRESHOLDS)]
            step.advance()
            context.progress.update(step)
    took = {result.name: result.milliseconds[1] for result in results}
    by_threshold = f"by thresholds from {_THRESHOLDS[-1]:g} to {_THRESHOLDS[0]:g}; the dot is the one asked for"
    panels: list[chart.Panel | chart.Scatter] = [
        chart.Panel(f"precision ({results[0].widest})", curves, "recall", recalls),
        chart.Panel("% of faces not covered", missed, "width of the face in px", widths),
        chart.Scatter(
            f"% of faces from {SIZES_PX[0]:g} px on not covered",
            f"% of a photo hidden for nothing, {by_threshold}",
            {name: (extras[name], share) for name, share in shares.items()},
            _BEYOND * max(extras.values()),
            trades,
        ),
        chart.Scatter(
            "the same at the threshold asked for",
            "ms for a photo, in one thread, the mean",
            {name: (took[name], share) for name, share in shares.items()},
            max(took.values()),
            octaves=True,
        ),
    ]
    images.write(path, chart.draw(panels, ""))


def dump(path: Path, results: Sequence[Result]) -> list[Path]:
    """Write all detections as JSON, and say where; of several results each goes to a file with its name in it.

    {"folder/name.jpg": {"width", "height", "ms", "boxes": [[left, top, right, bottom, score], ...]}, ...}, in pixels.
    """
    paths = []
    for result in results:
        value = {
            name: {
                "width": seen.width,
                "height": seen.height,
                "ms": round(1000 * seen.seconds, 3),
                "boxes": [[*(round(v, 2) for v in row), round(score, 4)] for *row, score in seen.rows.tolist()],
            }
            for name, seen in result.seen.items()
        }
        named = path if len(results) == 1 else path.with_name(f"{path.stem}.{result.name}{path.suffix}")
        files.write(named, canonical(value).encode())
        paths.append(named)
    return paths


def misses(folder: Path, results: Sequence[Result], context: Context) -> list[Path]:
    """Write sheets of every face that is not covered, the largest first, and say where. They show the faces.

    Sheets of the same detectors that lie there already are removed: they are about other photos or other options.
    """
    for result in results:
        _remove_sheets(folder, result.name)
    pages = [
        (r, start, r.missed()[start : start + _PAGE]) for r in results for start in range(0, len(r.missed()), _PAGE)
    ]
    paths = []
    with context.progress.step(folder.name, "misses", len(pages)) as step:
        for result, start, part in pages:
            context.stop.check()
            path = folder / f"{result.name}-{start // _PAGE + 1:02}.png"  # as `_remove_sheets` knows them
            images.write(path, overlay.tiled(_cells(result, part), _COLUMNS))
            paths.append(path)
            step.advance()
            context.progress.update(step)
    return paths


def _remove_sheets(folder: Path, detector: str) -> None:
    ours = re.compile(re.escape(detector) + r"-\d{2,}\.png")
    for path in folder.iterdir() if folder.is_dir() else ():
        if ours.fullmatch(path.name):
            try:
                path.unlink()
            except OSError as error:
                raise files.output_error(path, error) from error


def _cells(result: Result, missed: Sequence[tuple[str, int]]) -> list[images.Image]:
    """The pictures of some faces, in their order; each photo is read once."""
    cells: dict[tuple[str, int], images.Image] = {}
    for name in dict.fromkeys(name for name, _ in missed):
        picture = photo(result.folder / name)
        found = [Box(*row[:4]) for row in result.seen[name].rows.tolist()]
        for _, index in (miss for miss in missed if miss[0] == name):
            face = result.faces[name].boxes[index]
            caption = (f"{face.width:.0f} x {face.height:.0f} px", name.rpartition("/")[2])
            cells[name, index] = overlay.cell(picture, face, caption, _CELL, _AROUND, others=found)
    return [cells[miss] for miss in missed]
