"""Mid and side: M = (L + R)/2 and S = (L − R)/2, and back by L = M + S and R = M − S.

This is the one place where left and right are made. Whatever S is, (L + R)/2 = M: exactly so for
whole numbers, and to one rounding of L and of R in floating point.
"""

from typing import TypeVar

import numpy as np
from torch import Tensor

T = TypeVar("T", np.ndarray, Tensor)


def to_mid_side(left: T, right: T) -> tuple[T, T]:
    """(M, S) of two channels of any equal shape."""
    return (left + right) * 0.5, (left - right) * 0.5


def to_left_right(mid: T, side: T) -> tuple[T, T]:
    """(L, R) from mid and side of any equal shape."""
    return mid + side, mid - side
