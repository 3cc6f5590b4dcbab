"""The whole of Soundstage in one run: render a piece, or take yours, upmix it, measure, draw.

The mono also goes once around the head, in a room, for headphones.

    python examples/demo.py --output demo [--input your.wav]

Without `--input` the piece of `render_band` is folded down and upmixed, its true stereo is measured
and drawn beside the result, and a report lets you switch between all of them while they play.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import soundstage
from soundstage.binaural import (
    HrtfRenderer,
    ShoeBox,
    load_hrtf,
    orbit,
    render_file,
    sources_of,
)
from soundstage.evaluation import EvaluationOptions, plot_comparison
from soundstage.evaluation.command import run
from soundstage.upmixing import DEFAULT_METHOD, READY_METHODS


def render(folder: Path) -> tuple[Path, Path]:
    """The mono fold-down and the true stereo of the project's own piece."""
    script = Path(__file__).with_name("render_band.py")
    subprocess.run([sys.executable, str(script), "--output", str(folder)], check=True)
    return folder / "band-mono.wav", folder / "band-stereo.wav"


def upmix_by_every_method(mono: Path, folder: Path) -> dict[str, Path]:
    """One stereo file a method; what was done is printed."""
    results = {}
    for name in READY_METHODS:
        target = folder / f"{mono.stem}-{name}.wav"
        report = soundstage.upmix_file(
            mono, target, soundstage.load_method(name), method=name, overwrite=True
        )
        print(report.sentence())
        results[name] = target
    return results


def send_around_the_head(mono: Path, folder: Path) -> Path:
    """What two ears hear of a source that circles them; what was done is printed."""
    target = folder / f"{mono.stem}-around.wav"
    way = orbit(seconds_per_turn=12, duration=3600)
    renderer = HrtfRenderer(load_hrtf(), room=ShoeBox((6.0, 5.0, 3.0), 0.4))
    report = render_file(sources_of(mono, way, downmix=True), target, renderer, overwrite=True)
    print(report.sentence())
    return target


def print_figures(files: dict[str, Path]) -> None:
    """A table with a line for every file."""
    table = Table()
    for heading in ("", "width", "correlation", "iid_fluctuation, dB", "true peak, dBTP"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, path in files.items():
        figures = soundstage.analyze(path)
        table.add_row(
            name,
            f"{figures.width:.2f}",
            f"{figures.channel_correlation:.2f}",
            f"{figures.iid_fluctuation_db:.2f}",
            f"{figures.true_peak_db:.1f}",
        )
    Console().print(table)


def report_on(truth: Path, folder: Path) -> Path:
    """A page with players: the true stereo, its fold-down, and every method's idea of it."""
    records = folder / "true-stereo"
    records.mkdir(exist_ok=True)
    shutil.copy(truth, records / "band.wav")
    options = EvaluationOptions(seconds=0)
    run(records, folder / "evaluation", options, overwrite=True)
    return folder / "evaluation" / "report.html"


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument("--input", type=Path, help="a mono recording of yours")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    mono, truth = (options.input, None) if options.input else render(options.output)
    results = upmix_by_every_method(mono, options.output)
    around = send_around_the_head(mono, options.output)
    true_stereo = {"true stereo": truth} if truth else {}
    print_figures({"mono": mono, **results, **true_stereo})
    picture = options.output / "demo.png"
    drawn = {f"{DEFAULT_METHOD} (upmixed)": results[DEFAULT_METHOD], **true_stereo}
    plot_comparison(mono, drawn, picture, overwrite=True)
    print(f"listen to {results[DEFAULT_METHOD]}, and look at {picture}")
    print(f"with headphones, listen to {around}")
    if truth:
        print(f"or see and hear all of them in {report_on(truth, options.output)}")


if __name__ == "__main__":
    try:
        main()
    except soundstage.SoundstageError as error:
        sys.exit(f"demo: {error}")
