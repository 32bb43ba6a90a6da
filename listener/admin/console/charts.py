"""Small charts, drawn by the server as SVG: a curve over an area, and a sentence for those who can't see it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 240, 56
TOP = 4
"""Room above the highest value."""
POINTS = 120
"""Most points a curve has; more are thinned out by taking the highest of each group."""


def curve(values: Sequence[float | None], label: str, tone: str = "") -> Markup:
    """The values as a curve, oldest at the left. Gaps (None) are drawn as 0. `label` is what it says."""
    points = _thinned([value or 0.0 for value in values]) or [0.0]
    if len(points) == 1:
        points = points * 2
    highest = max(points) or 1.0
    step = WIDTH / (len(points) - 1)
    at = [(round(number * step, 1), round(HEIGHT - value / highest * (HEIGHT - TOP), 1)) for number, value in enumerate(points)]
    line = " ".join(f"{x:g},{y:g}" for x, y in at)
    return Markup(
        '<svg class="chart {tone}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<path class="base" d="M0 {height}H{width}"/><polygon class="area" points="0,{height} {line} {width},{height}"/>'
        '<polyline class="curve" points="{line}"/></svg>'
    ).format(tone=tone, width=WIDTH, height=HEIGHT, label=label, line=line)


def _thinned(values: Sequence[float]) -> list[float]:
    group = -(-len(values) // POINTS) or 1
    return [max(values[start : start + group]) for start in range(0, len(values), group)]
