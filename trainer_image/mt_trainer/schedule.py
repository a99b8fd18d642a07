"""The learning rate: a linear warm-up, then falling with the inverse square root of the step."""

from __future__ import annotations


def rate(step: int, peak: float, warmup: int) -> float:
    """Return the rate of a step, counted from 1; it is ``peak`` at the end of the warm-up."""
    warmup = max(warmup, 1)
    return peak * float(min(step / warmup, (warmup / step) ** 0.5))
