"""Where sources off the center stand in real music: the amounts that takes draw.

`places.json` is measured by `benchmarks/places_of_music.py`: for each kind of source percentiles of
|pan| in dB, of the places further out than `OFF_CENTER_DB`. The others are at the center, and tell
nothing about how far out a source stands that is panned. Separation mixes sources, so that measured
pans are too small; the shape of the distribution is kept, and its scale is such that the outermost
places are those of the rules, `MOST_DB`.
"""

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind

TABLE = "places.json"
PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
OFF_CENTER_DB = 3.0  # |pan|; less hardly sounds to one side
MOST_DB = 12.0  # at the last percentile: nothing is panned hard


@cache
def stored_table() -> dict[str, Any]:
    """The content of `places.json`."""
    path = files("soundstage.separation") / TABLE
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def drawn_amount(kind: "Kind", share: float) -> float:
    """|pan| in dB of a source, by its share of the distribution of its kind.

    Args:
        kind: one that was not measured has the places of "object".
        share: 0 (nearest to the center) to 1.
    """
    kinds = stored_table()["kinds"]
    values = kinds.get(kind, {}).get("off_center_db") or kinds["object"]["off_center_db"]
    return MOST_DB / values[-1] * float(np.interp(100 * share, PERCENTILES, values))
