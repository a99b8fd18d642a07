"""Pictures as SVG that fill the width of any screen: across in percent, down in pixels.

So texts and marks keep their size. Only lines and bands are stretched, in an inner SVG of their
own (``_stretched``). Colours come from the page's style; shapes tell the same without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt_predictor.report_page.markup import Html, html, joined, tag
from mt_predictor.report_page.numbers import label, ticks

_LANE, _FOOT, _TOP = 22, 20, 18  # pixels: of a whisker, of the numbers below, above a plot
_HEIGHT, _COUNTS = 220, 56  # pixels: of a plot, of the bars of counts below it
_WIDE = 1000  # the inner width of what is stretched


@dataclass(frozen=True)
class Scale:
    """Numbers across a picture."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Return where ``value`` stands between both ends, from 0 to 1."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def at(self, value: float) -> str:
        """Return the place across."""
        return f"{100 * self.share(value):.2f}%"


def scale(values: Sequence[float], margin: float = 0.12) -> Scale:
    """Return a scale that has room for all ``values``."""
    low, high = min(values), max(values)
    room = (high - low) * margin or max(abs(low), 1e-3) * margin
    return Scale(low - room, high + room)


@dataclass(frozen=True)
class Whisker:
    """A number with its interval, drawn as ``kind``: candidate, baseline or delta."""

    kind: str
    value: float
    low: float
    high: float


def whiskers(
    across: Scale,
    rows: Sequence[Whisker],
    told: str,
    bound: tuple[float, bool] | None = None,
    zero: bool = False,
) -> Html:
    """Return intervals one below the other.

    Args:
        across: what all are drawn on.
        rows: the intervals.
        told: the picture in words.
        bound: a threshold, and whether what is above it is allowed.
        zero: whether to draw a line at zero.
    """
    bottom = _LANE * len(rows)
    parts: list[Html] = []
    if bound is not None:
        parts += _bound(across, *bound, bottom)
    if zero:
        parts.append(_upright(across.at(0), 0, bottom, "zero"))
    parts.append(tag("line", x1="0", x2="100%", y1=bottom, y2=bottom, class_="axis"))
    for place, row in enumerate(rows):
        parts += _whisker(across, row, _LANE * place + _LANE / 2)
    parts += [_tick(across, value, bottom) for value in ticks(across.low, across.high, 4)]
    return _picture(bottom + _FOOT, told, parts)


def _bound(across: Scale, bound: float, above: bool, bottom: int) -> list[Html]:
    share = 100 * across.share(bound)
    left, width = (share, 100 - share) if above else (0.0, share)
    allowed = tag(
        "rect", x=f"{left:.2f}%", y=0, width=f"{width:.2f}%", height=bottom, class_="allowed"
    )
    return [allowed, _upright(f"{share:.2f}%", 0, bottom, "bound")]


def _upright(x: str, top: float, bottom: float, kind: str) -> Html:
    return tag("line", x1=x, x2=x, y1=top, y2=bottom, class_=kind)


def _whisker(across: Scale, row: Whisker, y: float) -> list[Html]:
    low, high = across.at(row.low), across.at(row.high)
    line = tag("line", x1=low, x2=high, y1=y, y2=y, class_=f"whisker {row.kind}")
    ends = [_upright(x, y - 4, y + 4, f"whisker {row.kind}") for x in (low, high)]
    return [line, *ends, mark(row.kind, across.at(row.value), y)]


def mark(kind: str, x: str, y: float) -> Html:
    """Return the mark of a series: a disc, a hollow square for the baseline, a dash for a line."""
    if kind == "baseline":
        square = tag("rect", x=-4.5, y=-4.5, width=9, height=9, class_="mark baseline")
        return tag("svg", square, x=x, y=f"{y:g}", overflow="visible")
    if kind == "training":
        line = tag("line", x1=-7, x2=7, y1=0, y2=0, class_=f"line {kind}")
        return tag("svg", line, x=x, y=f"{y:g}", overflow="visible")
    return tag("circle", cx=x, cy=f"{y:g}", r=5, class_=f"mark {kind}")


def _tick(across: Scale, value: float, bottom: float) -> Html:
    share = across.share(value)
    anchor = "start" if share < 0.06 else "end" if share > 0.94 else "middle"
    text = tag("text", label(value), x=across.at(value), y=bottom + 15, text_anchor=anchor)
    return html(_upright(across.at(value), bottom, bottom + 4, "axis"), text)


def _picture(height: float, told: str, parts: Sequence[Html]) -> Html:
    title = tag("title", told)
    return tag("svg", title, *parts, class_="plot", role="img", width="100%", height=f"{height:g}")


@dataclass(frozen=True)
class Series:
    """Points of a line, drawn as ``kind``; ``band`` are low and high at each point."""

    kind: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    marks: bool = True


def curves(
    series: Sequence[Series],
    told: str,
    across: Scale,
    names: Sequence[tuple[float, str]],
    counts: Sequence[int] = (),
) -> Html:
    """Return lines over a common axis.

    Args:
        series: at least one, with at least one point each.
        told: the picture in words.
        across: the axis.
        names: what stands below, by place.
        counts: bars below the lines, as many as names.
    """
    heights = [y for one in series for _, y in one.points]
    heights += [y for one in series for ends in one.band for y in ends]
    upright = scale(heights, 0.08)
    floor = _TOP + _HEIGHT
    foot = floor + (_COUNTS if counts else 0)
    parts = [_level(upright, value) for value in ticks(upright.low, upright.high)]
    parts.append(_stretched([_shape(one, across, upright) for one in series]))
    for one in series:
        if one.marks:
            parts += [mark(one.kind, across.at(x), _TOP + _y(upright, y)) for x, y in one.points]
    parts += _bars(across, [x for x, _ in names], counts, foot)
    parts.append(tag("line", x1="0", x2="100%", y1=foot, y2=foot, class_="axis"))
    parts += [_name(across, x, name, foot) for x, name in names]
    return _picture(foot + _FOOT, told, parts)


def _y(upright: Scale, value: float) -> float:
    return round(_HEIGHT * (1 - upright.share(value)), 1)


def _level(upright: Scale, value: float) -> Html:
    y = _TOP + _y(upright, value)
    line = tag("line", x1="0", x2="100%", y1=y, y2=y, class_="level")
    return html(line, tag("text", label(value), x=0, y=y - 4))


def _stretched(shapes: Sequence[Html]) -> Html:
    return tag(
        "svg",
        *shapes,
        y=_TOP,
        width="100%",
        height=_HEIGHT,
        viewBox=f"0 0 {_WIDE} {_HEIGHT}",
        preserveAspectRatio="none",
    )


def _shape(one: Series, across: Scale, upright: Scale) -> Html:
    def path(points: Sequence[tuple[float, float]]) -> str:
        places = (f"{_WIDE * across.share(x):.1f} {_y(upright, y):g}" for x, y in points)
        return "M" + "L".join(places)

    line = tag("path", d=path(one.points), class_=f"line {one.kind}")
    if not one.band:
        return line
    ends = [(x, *ends) for (x, _), ends in zip(one.points, one.band, strict=True)]
    outline = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
    return html(tag("path", d=path(outline) + "Z", class_=f"band {one.kind}"), line)


def _bars(across: Scale, places: Sequence[float], counts: Sequence[int], foot: float) -> list[Html]:
    width = 62 / max(len(places), 1)
    found = []
    for x, count in zip(places, counts, strict=False):
        tall = (_COUNTS - 24) * count / max(counts)
        left = 100 * across.share(x) - width / 2
        found.append(
            tag(
                "rect",
                x=f"{left:.2f}%",
                width=f"{width:.2f}%",
                y=f"{foot - tall:g}",
                height=f"{tall:g}",
                class_="count",
            )
        )
        text = tag(
            "text", f"{count:,}", x=across.at(x), y=f"{foot - tall - 4:g}", text_anchor="middle"
        )
        found.append(text)
    return found


def _name(across: Scale, x: float, name: str, foot: float) -> Html:
    share = across.share(x)
    anchor = "start" if share < 0.02 else "end" if share > 0.98 else "middle"
    return tag("text", name, x=across.at(x), y=foot + 15, text_anchor=anchor)


def histogram(bounds: Sequence[float], counts: Sequence[float], told: str) -> Html:
    """Return bars of equal width, one a bucket, with the upper bounds of some of them below."""
    most, width, height = max(*counts, 1), 100 / len(counts), 90
    parts = []
    for place, count in enumerate(counts):
        tall = round(height * count / most, 1)
        x = f"{place * width + width * 0.06:.2f}%"
        box = {"x": x, "width": f"{width * 0.88:.2f}%", "y": _TOP + height - tall, "height": tall}
        name = f"{_bucket(bounds, place)}: {count:,.10g}"
        parts.append(tag("rect", tag("title", name), **box, class_="count"))
    foot = _TOP + height
    parts.append(tag("line", x1="0", x2="100%", y1=foot, y2=foot, class_="axis"))
    each = max(1, -(-len(counts) // 6))
    for place in range(0, len(bounds), each):
        x = f"{(place + 1) * width:.2f}%"
        parts.append(tag("text", label(bounds[place]), x=x, y=foot + 15, text_anchor="middle"))
    return _picture(foot + _FOOT, told, parts)


def _bucket(bounds: Sequence[float], place: int) -> str:
    if place >= len(bounds):
        return f"above {label(bounds[-1])}" if bounds else "all"
    below = f"above {label(bounds[place - 1])}, " if place else ""
    return f"{below}up to {label(bounds[place])}"


def legend(*entries: tuple[str, str]) -> Html:
    """Return what the marks mean: (kind, words)."""
    items = (
        tag("span", tag("svg", mark(kind, "8", 8), width=16, height=16, aria_hidden="true"), name)
        for kind, name in entries
    )
    return tag("p", joined(items, " "), class_="legend")
