"""Speed, memory, start-up and fidelity of every method, beside FFmpeg's filters.

    python benchmarks/speed.py [--input MONO.wav] [--write docs/speed.md]

Every system turns the same mono file into a stereo file in a process of its own: once to warm up,
then three times, of which the median counts. Memory is the highest the process reached, what it
needs to import included. The floor is the time that the operations of the network (products and
convolutions, a multiplication and an addition counting as two) would take at the rate of a large
product of float32 matrices, in one thread as in the engine. Without `--input` the project's own
piece is rendered.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound

REPEATS = 3
PRODUCT = 2048  # rows of the matrices that the rate of the machine is taken from
PREFIX = "ffmpeg "


def measure(system: str, source: Path, target: Path) -> dict[str, float]:
    """Time, memory and operations of one system in this process."""
    operations = 0.0
    if system.startswith(PREFIX):

        def run() -> None:
            mono, rate = soundfile.read(source, dtype="float32")
            made = filter_sound(system.removeprefix(PREFIX), mono, rate)
            soundfile.write(target, made.T, rate, subtype="FLOAT")
    else:
        from soundstage.upmixing import load_method, upmix_file

        method = load_method(system)

        def run() -> None:
            upmix_file(source, target, method, overwrite=True)

    run()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    megabytes = peak_megabytes()
    if not system.startswith(PREFIX):
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            run()
        operations = float(counter.get_total_flops())
    return {
        "seconds": statistics.median(times),
        "megabytes": megabytes,
        "operations": operations,
    }


def machine_rate() -> float:
    """Operations a second of a large product in one thread, the best of five."""
    import torch

    torch.set_num_threads(1)
    matrix, times = torch.rand(PRODUCT, PRODUCT), []
    for _ in range(5):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return 2 * PRODUCT**3 / min(times)


def peak_megabytes() -> float:
    """The most memory that this process held at once.

    `getrusage` would do, but on Linux it starts from what the parent held before this program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2


def in_own_process(system: str, source: Path, target: Path) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, "--measure", system, str(source), str(target)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures


def fidelity(source: Path, target: Path) -> dict[str, float]:
    """What became of the sound."""
    import torch

    from soundstage.metrics import channel_correlation, fold_down_error, normalized_width

    mono, rate = soundfile.read(source, dtype="float64")
    stereo = soundfile.read(target, dtype="float64", always_2d=True)[0].T
    length = min(mono.size, stereo.shape[1])
    mono, stereo = mono[:length], stereo[:, :length]
    level = np.sum(stereo.mean(axis=0) ** 2) / np.sum(mono**2)
    wide = torch.tensor(stereo)
    return {
        "duration": mono.size / rate,
        "fold_down": fold_down_error(wide, torch.tensor(mono)).item(),
        "mono_level": float(10 * np.log10(max(level, 1e-40))),
        "correlation": channel_correlation(wide).item(),
        "width": normalized_width(wide).item(),
    }


def start_up() -> dict[str, float]:
    """Seconds until the command has answered, best of five, files cached."""
    times = {}
    for name, arguments in {
        "soundstage --help": ["--help"],
        "soundstage models": ["models"],
    }.items():
        runs = []
        for _ in range(5):
            started = time.perf_counter()
            command = [str(Path(sys.executable).with_name("soundstage")), *arguments]
            subprocess.run(command, check=True, capture_output=True)
            runs.append(time.perf_counter() - started)
        times[name] = min(runs)
    return times


def render_input(folder: Path) -> Path:
    """The project's own piece, folded down."""
    script = Path(__file__).parent.parent / "examples" / "render_band.py"
    subprocess.run([sys.executable, str(script), "--output", str(folder)], check=True)
    return folder / "band-mono.wav"


def markdown(rows: dict[str, dict[str, float]], starts: dict[str, float], rate: float) -> str:
    """The table as it stands in the docs."""
    duration = next(iter(rows.values()))["duration"]
    lines = [
        f"Input: {duration:.0f} s of mono, file to file, warm, median of {REPEATS}; "
        f"{os.cpu_count()} cores ({platform.machine()}). The floor is what the products and "
        "convolutions of the network would take at the measured rate of one thread, "
        f"{rate / 1e9:.0f} thousand million operations a second.",
        "",
        "| system | real-time factor | floor | peak memory, MB | fold-down error, dB "
        "| mono level, dB | correlation | width |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        factor = row["seconds"] / duration
        lines.append(
            f"| {name} | {factor:.4f} | {_floor(row['operations'] / rate / duration)} "
            f"| {row['megabytes']:.0f} | {row['fold_down']:.1f} "
            f"| {row['mono_level']:+.2f} | {row['correlation']:.2f} | {row['width']:.2f} |"
        )
    lines += ["", "| command | seconds to answer |", "| --- | ---: |"]
    lines += [f"| `{name}` | {seconds:.2f} |" for name, seconds in starts.items()]
    return "\n".join(lines) + "\n"


def _floor(factor: float) -> str:
    return f"{factor:.4f}" if factor else "–"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--input", type=Path, help="a mono file")
    parser.add_argument("--write", type=Path, help="a Markdown file to write; JSON goes beside it")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        system, source, target = options.measure
        print(json.dumps(measure(system, Path(source), Path(target))))
        return

    from soundstage.upmixing import READY_METHODS

    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        original = options.input or render_input(Path(folder))
        source = Path(folder) / "mono.wav"  # in float, so that what is measured is not the format
        samples, rate = soundfile.read(original, dtype="float32")
        soundfile.write(source, samples, rate, subtype="FLOAT")
        for system in [*READY_METHODS, *(PREFIX + name for name in FILTERS)]:
            target = Path(folder) / "stereo.wav"
            rows[system] = in_own_process(system, source, target) | {}
            rows[system] |= fidelity(source, target)
            print(f"{system}: done", file=sys.stderr)
            target.unlink()
    starts = start_up()
    rate = machine_rate()
    text = markdown(rows, starts, rate)
    print(text)
    if options.write:
        options.write.write_text(f"# Speed\n\n{text}\nMade by `make bench`.\n", encoding="utf-8")
        figures = {"systems": rows, "start_up_seconds": starts, "operations_a_second": rate}
        options.write.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
