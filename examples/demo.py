"""Demonstration: render or read a piece, upmix it, make it binaural, measure and draw it.

    python examples/demo.py --output demo [--input your.wav]

Without `--input`, the piece of `render_band` is folded down and upmixed by every method, its true
stereo is measured and drawn beside the results, and a report plays all of them side by side.
"""

import argparse
import json
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
from soundstage.evaluation import plot_places
from soundstage.upmixing import DEFAULT_METHOD, READY_METHODS, PlacedSource, Plan


def render(folder: Path) -> tuple[Path, Path]:
    """The mono fold-down and the true stereo of the project's own piece."""
    script = Path(__file__).with_name("render_band.py")
    subprocess.run([sys.executable, str(script), "--output", str(folder)], check=True)
    return folder / "band-mono.wav", folder / "band-stereo.wav"


def upmix_by_every_method(mono: Path, folder: Path) -> tuple[dict[str, Path], dict[str, Plan]]:
    """Write one stereo file per method and print a summary of each; the files, and their plans."""
    results, plans = {}, {}
    for name in READY_METHODS:
        target = folder / f"{mono.stem}-{name}.wav"
        report = soundstage.upmix_file(mono, target, method=name, overwrite=True)
        print(report.sentence())
        results[name] = target
        if report.plan:
            plans[name] = report.plan
    return results, plans


def render_orbit(mono: Path, folder: Path) -> Path:
    """Render a source that orbits the listener in a room, for headphones."""
    target = folder / f"{mono.stem}-around.wav"
    trajectory = orbit(seconds_per_turn=12, duration=3600)
    renderer = HrtfRenderer(load_hrtf(), room=ShoeBox((6.0, 5.0, 3.0), 0.4))
    sources = sources_of(mono, trajectory, downmix=True)
    report = render_file(sources, target, renderer, overwrite=True)
    print(report.sentence())
    return target


def print_figures(files: dict[str, Path]) -> None:
    """Print a table with one row per file."""
    table = Table()
    for heading in ("", "width", "correlation", "IID fluctuation, dB", "true peak, dBTP"):
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


def draw(mono: Path, upmixed: Path, plan: Plan | None, truth: Path | None, picture: Path) -> None:
    """Draw where everything sounds: in the mono input, upmixed, and in true stereo."""
    sounds = {"mono input": mono, f"{DEFAULT_METHOD} (upmixed)": upmixed}
    stages = {"mono input": (PlacedSource("everything", "residual", 0.0, 0.0, 1.0),)}
    if plan:
        stages[f"{DEFAULT_METHOD} (upmixed)"] = plan.sources
    if truth:
        sounds["true stereo"] = truth
        listing = json.loads(truth.with_name("band-places.json").read_text(encoding="utf-8"))
        stages["true stereo"] = tuple(
            PlacedSource(
                each["name"], "object", each["level_difference_db"], 0.5, each["energy_share"]
            )
            for each in listing
        )
    plot_places(sounds, picture, stages=stages, overwrite=True)


def report_on(truth: Path, folder: Path) -> Path:
    """Evaluate all methods on the piece; the report has players for all of them."""
    tracks = folder / "true-stereo"
    tracks.mkdir(exist_ok=True)
    shutil.copy(truth, tracks / "band.wav")
    soundstage.evaluate(tracks, folder / "evaluation", seconds=0, overwrite=True)
    return folder / "evaluation" / "report.html"


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument("--input", type=Path, help="your own mono recording")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    mono, truth = (options.input, None) if options.input else render(options.output)
    results, plans = upmix_by_every_method(mono, options.output)
    around = render_orbit(mono, options.output)
    true_stereo = {"true stereo": truth} if truth else {}
    print_figures({"mono": mono, **results, **true_stereo})
    picture = options.output / "demo.png"
    draw(mono, results[DEFAULT_METHOD], plans.get(DEFAULT_METHOD), truth, picture)
    print(f"listen to {results[DEFAULT_METHOD]}, and see {picture}")
    print(f"with headphones, listen to {around}")
    if truth:
        print(f"compare all methods in {report_on(truth, options.output)}")


if __name__ == "__main__":
    try:
        main()
    except soundstage.SoundstageError as error:
        sys.exit(f"demo: {error}")
