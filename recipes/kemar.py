"""Derive the bundled HRTF set from the SOFA file of MIT's KEMAR measurements.

    python recipes/kemar.py MIT_KEMAR_normal_pinna.sofa [--output kemar.safetensors]

The card is written beside it, with the errors of truncation to 256 samples and of half precision.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.atomic_files import write_atomically
from soundstage.binaural import equalized, read_hrtf
from soundstage.binaural.hrtf.bundled import FAMILY, write_bundled
from soundstage.weights.cards import FOLDER

BUNDLED = FOLDER / "hrtf" / "kemar.safetensors"
CARD = {
    "name": "kemar",
    "family": FAMILY,
    "title": "MIT KEMAR, normal pinna",
    "paper": "W. G. Gardner and K. D. Martin, HRTF measurements of a KEMAR, "
    "Journal of the Acoustical Society of America 97, 1995",
    "credits": "W. G. Gardner and K. D. Martin, MIT Media Lab, 1994; "
    "as a SOFA file from github.com/hoene/libmysofa, share/MIT_KEMAR_normal_pinna.sofa",
    "data": "710 directions from 40 degrees below to straight above, at 1.4 m, in an "
    "anechoic chamber; left and right as published are exact mirror images",
    "derived": "recipes/kemar.py: diffuse-field equalization; below 400 Hz crossfade to the unit "
    "gain and delay of a rigid sphere, complete at 100 Hz; common delay removed; truncated, faded; "
    "left ear only, in half precision",
    "limits": "One dummy head: elevation and front-back localization are less reliable than with "
    "individual HRTFs. No measurement below -40 degrees. Rolls off above 16 kHz.",
}


def decibels(error: Float[np.ndarray, "..."], signal: Float[np.ndarray, "..."]) -> float:
    """Energy of an error relative to a signal, in dB, rounded to 0.1."""
    return round(float(10 * np.log10((error**2).sum() / (signal**2).sum())), 1)


def main() -> None:
    """Derive, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sofa", type=Path)
    parser.add_argument("--output", type=Path, default=BUNDLED)
    options = parser.parse_args()
    measured = read_hrtf(options.sofa)
    hrtf = equalized(measured)
    digest = write_bundled(options.output, hrtf)
    longer = equalized(measured, taps=8 * hrtf.taps).responses.astype(np.float64)
    padded = np.pad(hrtf.responses, ((0, 0), (0, 0), (0, longer.shape[-1] - hrtf.taps)))
    stored = hrtf.responses.astype(np.float16).astype(np.float64)
    card = CARD | {
        "license": measured.license,
        "directions": len(hrtf.directions),
        "rate": hrtf.rate,
        "taps": hrtf.taps,
        "distance_m": round(float(hrtf.distances.max()), 3),
        "cut_error_db": decibels(padded - longer, longer),
        "storage_error_db": decibels(stored - hrtf.responses, hrtf.responses),
        "bytes": options.output.stat().st_size,
        "sha256": digest,
    }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    write_atomically(options.output.with_suffix(".json"), text.encode())
    print(text)


if __name__ == "__main__":
    main()
