"""How the weights move: the learning rate of each step, and the numbers of Adam.

The rate warms up linearly, then falls with the inverse square root of the step. The running mean of
the weights weighs step t by (η+1)/(t+η).
"""

from __future__ import annotations

BETA_1, BETA_2, EPSILON = 0.9, 0.98, 1e-9
ETA = 8.0


def rate(step: int, peak: float, warmup: int) -> float:
    """Return the rate of a step, counted from 1; it is ``peak`` at the end of the warm-up."""
    warmup = max(warmup, 1)
    return peak * float(min(step / warmup, (warmup / step) ** 0.5))
