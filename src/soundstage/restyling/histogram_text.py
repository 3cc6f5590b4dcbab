"""Pan histograms in letters, for a terminal."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from soundstage.restyling.pan_histogram import BANDS, CELLS, PanHistogram
from soundstage.separation.stage_balance import BALANCE_EDGES

COLUMNS = 21  # of letters; the center has a column of its own
_SHADES = " .:-=+*#%@"
_SHADE_DB = 2.0  # of a step
_LABEL = 14
_GAP = "   "


def histogram_lines(histograms: Sequence[PanHistogram], titles: Sequence[str]) -> list[str]:
    """Histograms side by side: a row for each band, the highest first, from left to right.

    A letter is `@` at the loudest pan of all bands and histograms, and one step lighter for each
    2 dB less.
    """
    tables = [_columns(histogram.bands) for histogram in histograms]
    loudest = max(float(table.max()) for table in tables) or 1.0
    lines = [" " * _LABEL + _GAP.join(f"{title:<{COLUMNS}}" for title in titles).rstrip()]
    for band in range(BANDS)[::-1]:
        rows = [_letters(table[band] / loudest) for table in tables]
        lines.append(f"{_band_name(band):<{_LABEL}}" + _GAP.join(rows).rstrip())
    scale = "left" + "center".center(COLUMNS - 9) + "right"
    return [*lines, " " * _LABEL + _GAP.join(scale for _ in tables)]


def _columns(bands: Float[np.ndarray, "bands cells"]) -> Float[np.ndarray, "bands columns"]:
    """From left to right, two cells a column, with the center between them."""
    shown = bands[:, ::-1]
    half = CELLS // 2
    sides = [part.reshape(BANDS, -1, 2).sum(axis=2) for part in (shown[:, :half], shown[:, -half:])]
    return np.concatenate([sides[0], shown[:, half : half + 1], sides[1]], axis=1)


def _letters(shares: Float[np.ndarray, " columns"]) -> str:
    levels = 10 * np.log10(np.maximum(shares, 1e-9))
    steps = np.rint(levels / _SHADE_DB + len(_SHADES) - 1).clip(0, len(_SHADES) - 1).astype(int)
    return "".join(_SHADES[step] for step in steps)


def _band_name(band: int) -> str:
    low, high = BALANCE_EDGES[band : band + 2]
    return f"{low:g}-{high:g} Hz"
