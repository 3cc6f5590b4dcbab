"""Derives the head that the package ships, from the file that MIT's measurements come in.

    python recipes/kemar.py MIT_KEMAR_normal_pinna.sofa [--output kemar.safetensors]

The card is written beside it, with what the steps cost: the cut to 256 samples and half precision.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.binaural import equalized, read_hrtf
from soundstage.binaural.hrtf.bundled import FAMILY, write_shipped
from soundstage.weights.model import FOLDER, write_by_rename

SHIPPED = FOLDER / "heads" / "kemar.safetensors"
CARD = {
    "name": "kemar",
    "family": FAMILY,
    "title": "MIT KEMAR, normal pinna",
    "paper": "W. G. Gardner and K. D. Martin, HRTF measurements of a KEMAR, "
    "Journal of the Acoustical Society of America 97, 1995",
    "credits": "W. G. Gardner and K. D. Martin, MIT Media Lab, 1994; "
    "as a SOFA file from github.com/hoene/libmysofa, share/MIT_KEMAR_normal_pinna.sofa",
    "data": "710 directions from 40 degrees below to straight above, at 1.4 m, in an "
    "anechoic chamber; left and right as published are mirror images, bit for bit",
    "derived": "recipes/kemar.py: equalized for the diffuse field; below 400 Hz fading into a "
    "rigid head's gain of 1 and delay, complete at 100 Hz; common delay removed; cut, faded; left "
    "ear alone, in half precision",
    "limits": "One dummy head: up and down, ahead and behind are heard less surely than with one's "
    "own. Nothing was measured more than 40 degrees below. Above 16 kHz it fades.",
}


def decibels(error: Float[np.ndarray, "..."], signal: Float[np.ndarray, "..."]) -> float:
    """Energy of an error against that of a signal, to a tenth."""
    return round(float(10 * np.log10((error**2).sum() / (signal**2).sum())), 1)


def main() -> None:
    """Derive, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sofa", type=Path)
    parser.add_argument("--output", type=Path, default=SHIPPED)
    asked = parser.parse_args()
    measured = read_hrtf(asked.sofa)
    head = equalized(measured)
    digest = write_shipped(asked.output, head)
    longer = equalized(measured, taps=8 * head.taps).responses.astype(np.float64)
    padded = np.pad(head.responses, ((0, 0), (0, 0), (0, longer.shape[-1] - head.taps)))
    stored = head.responses.astype(np.float16).astype(np.float64)
    card = CARD | {
        "license": measured.license,
        "directions": len(head.directions),
        "rate": head.rate,
        "taps": head.taps,
        "distance_m": round(float(head.distances.max()), 3),
        "cut_error_db": decibels(padded - longer, longer),
        "storage_error_db": decibels(stored - head.responses, head.responses),
        "bytes": asked.output.stat().st_size,
        "sha256": digest,
    }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    write_by_rename(asked.output.with_suffix(".json"), text.encode())
    print(text)


if __name__ == "__main__":
    main()
