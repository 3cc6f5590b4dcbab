"""Numbers as the page prints them."""

import math

NOTHING = "–"


def printed(value: float, digits: int) -> str:
    """A number with `digits` after the point, a real minus, and no −0; "–" for NaN."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def printed_tick(value: float) -> str:
    """As short as it can be."""
    return f"{value + 0.0:.6g}".replace("-", "−")


def printed_p(p: float) -> str:
    """A probability; "equal" where two systems never differ."""
    if math.isnan(p):
        return "equal"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round numbers within a range, 1, 2 or 5 times a power of ten apart.

    Args:
        low: end of the range.
        high: the other end, above `low`.
        most: number of ticks, at least 3; there are at least most/2.5, rounded down.
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10, 20) if (high - low) / (s * power) < most - 1e-6)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]
