"""Mid and side of the true stereo and of what methods make of its mono, in one picture.

    python benchmarks/spectra.py [--methods decorrelate,masked,diffusion] [--write FILE.png]

The sound is twelve seconds of the piece that examples/render_band.py renders; the figures under
the picture in the README, how far each side is from the true one, are printed.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import soundstage
from soundstage.audio import Audio
from soundstage.evaluation.plots.image_analysis import analyze_image
from soundstage.evaluation.plots.plotting import (
    LARGE,
    MEDIUM,
    Canvas,
    Span,
    draw_spectrogram,
    label_hertz,
    label_time,
)
from soundstage.metrics.fidelity import log_spectral_distance

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "spectra.png"
FIRST, SECONDS = 12, 12  # of the piece: everybody plays
LEFT, COLUMN, ROW, TOP, GAP = 96, 508, 150, 92, 62  # pixels


def excerpt() -> Audio:
    """The true stereo."""
    script = ROOT / "examples" / "render_band.py"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(script), "--output", folder], check=True)
        whole = soundstage.Audio.read(Path(folder) / "band-stereo.wav")
    rows = slice(FIRST * whole.rate, (FIRST + SECONDS) * whole.rate)
    return Audio(whole.samples[:, rows], whole.rate)


def made_by(methods: list[str], truth: Audio) -> dict[str, Audio]:
    """What each method makes of the mono."""
    mono = (truth.samples.mean(axis=0), truth.rate)
    return {name: soundstage.upmix(mono, method=name) for name in methods}


def side_distance(made: Audio, truth: Audio) -> float:
    """Log-spectral distance of the two sides, in dB."""
    sides = [np.diff(each.samples, axis=0) / -2 for each in (made, truth)]
    return float(log_spectral_distance(*map(torch.from_numpy, sides)))


def draw(sounds: dict[str, Audio], target: Path) -> None:
    """A row for each: mid and side."""
    portraits = {name: analyze_image(sound) for name, sound in sounds.items()}
    span = Span.of(*portraits.values())
    canvas = Canvas(target, height=TOP + len(sounds) * (ROW + GAP) + 40, overwrite=True)
    canvas.text(LEFT, 34, "Mid and side, true and made from the mono", size=LARGE, bold=True)
    for index, (name, portrait) in enumerate(portraits.items()):
        top = TOP + index * (ROW + GAP)
        for left, part, power in ((LEFT, "mid", portrait.mid), (640, "side", portrait.side)):
            canvas.text(left, top - 18, f"{name}: {part}", size=MEDIUM, bold=True)
            axes = canvas.panel(left, top, COLUMN, ROW)
            image = draw_spectrogram(axes, power, portrait, span)
            label_time(axes, span, label=index == len(portraits) - 1)
            if part == "mid":
                label_hertz(axes, "rows")
        canvas.color_bar(image, canvas.panel(1164, top, 16, ROW), "dB", ends=False)
    canvas.save()


def main() -> None:
    """Make, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", default="decorrelate,masked,diffusion")
    parser.add_argument("--write", type=Path, default=TARGET, help="the picture")
    asked = parser.parse_args()
    truth = excerpt()
    made = made_by(asked.methods.split(","), truth)
    for name, sound in made.items():
        print(f"{name}: the side is {side_distance(sound, truth):.2f} dB from the true one")
    draw({"true stereo": truth, **made}, asked.write)


if __name__ == "__main__":
    main()
