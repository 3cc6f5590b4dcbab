"""Mid and side spectrograms of true stereo and of upmixed results, in one picture.

    python benchmarks/spectra.py [--methods decorrelate,masked,diffusion] [--write FILE.png]

The sound is twelve seconds of the piece of examples/render_band.py. The log-spectral distances of
the sides, listed under the picture in the README, are printed.
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
FIRST, SECONDS = 12, 12  # of the piece, with all instruments
LEFT, COLUMN, ROW, TOP, GAP = 96, 508, 150, 92, 62  # pixels


def excerpt() -> Audio:
    """The true stereo."""
    script = ROOT / "examples" / "render_band.py"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(script), "--output", folder], check=True)
        whole = soundstage.Audio.read(Path(folder) / "band-stereo.wav")
    part = slice(FIRST * whole.rate, (FIRST + SECONDS) * whole.rate)
    return Audio(whole.samples[:, part], whole.rate)


def upmixed(methods: list[str], truth: Audio) -> dict[str, Audio]:
    """The upmixed mono by method."""
    mono = (truth.samples.mean(axis=0), truth.rate)
    return {name: soundstage.upmix(mono, method=name) for name in methods}


def side_distance(made: Audio, truth: Audio) -> float:
    """Log-spectral distance of the two sides, in dB."""
    sides = [np.diff(each.samples, axis=0) / -2 for each in (made, truth)]
    return float(log_spectral_distance(*map(torch.from_numpy, sides)))


def draw(sounds: dict[str, Audio], target: Path) -> None:
    """Draw mid and side of each sound in a row."""
    analyses = {name: analyze_image(sound) for name, sound in sounds.items()}
    span = Span.of(*analyses.values())
    canvas = Canvas(target, height=TOP + len(sounds) * (ROW + GAP) + 40, overwrite=True)
    canvas.text(LEFT, 34, "Mid and side: true stereo and upmixed mono", size=LARGE, bold=True)
    for index, (name, analysis) in enumerate(analyses.items()):
        top = TOP + index * (ROW + GAP)
        for left, part, power in ((LEFT, "mid", analysis.mid), (640, "side", analysis.side)):
            canvas.text(left, top - 18, f"{name}: {part}", size=MEDIUM, bold=True)
            axes = canvas.panel(left, top, COLUMN, ROW)
            image = draw_spectrogram(axes, power, analysis, span)
            label_time(axes, span, label=index == len(analyses) - 1)
            if part == "mid":
                label_hertz(axes, "rows")
        canvas.color_bar(image, canvas.panel(1164, top, 16, ROW), "dB", ends=False)
    canvas.save()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", default="decorrelate,masked,diffusion")
    parser.add_argument("--write", type=Path, default=TARGET, help="the picture")
    options = parser.parse_args()
    truth = excerpt()
    made = upmixed(options.methods.split(","), truth)
    for name, sound in made.items():
        print(f"{name}: the side is {side_distance(sound, truth):.2f} dB from the true one")
    draw({"true stereo": truth, **made}, options.write)


if __name__ == "__main__":
    main()
