"""Formatting of values in the report."""

import math

NOTHING = "–"


def printed(value: float, digits: int) -> str:
    """A number with `digits` decimals and a typographic minus, never −0; "–" for NaN."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def printed_tick(value: float) -> str:
    """The shortest form, for ticks."""
    return f"{value + 0.0:.6g}".replace("-", "−")


def printed_p(p: float) -> str:
    """A p-value; "equal" if two systems never differ."""
    if math.isnan(p):
        return "equal"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round numbers within a range, in steps of 1, 2 or 5 times a power of ten.

    Args:
        low: lower end of the range.
        high: upper end of the range.
        most: maximum number of ticks, at least 3.
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10, 20) if (high - low) / (s * power) < most - 1e-6)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]
