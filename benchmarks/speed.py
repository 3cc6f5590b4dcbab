"""Speed, memory, start-up and fold-down error of every method and of FFmpeg's filters.

    python benchmarks/speed.py [--input MONO.wav] [--write docs/speed.md]

Every system upmixes the same mono file in a process of its own: once to warm up, then three times;
the table has the median. Memory is the peak of the process, imports included. The lower bound is
the FLOP count of the network (products and convolutions, a multiply-add counting as two) over the
FLOP/s of a large product of float32 matrices in one thread. Without `--input` the project's own
piece is rendered. `--write` also fills the table of the README.
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
from pages import write_page

from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound

REPEATS = 3
MATRIX_SIZE = 2048  # of the matrix product that measures FLOP/s
PREFIX = "ffmpeg "
README = Path(__file__).parents[1] / "README.md"


def measure(system: str, source: Path, target: Path) -> dict[str, float]:
    """Seconds, peak memory and FLOP count of one system in this process."""
    flops = 0.0
    if system.startswith(PREFIX):

        def run() -> None:
            mono, rate = soundfile.read(source, dtype="float32")
            stereo = filter_sound(system.removeprefix(PREFIX), mono, rate)
            soundfile.write(target, stereo.T, rate, subtype="FLOAT")
    else:
        from soundstage.upmixing import load_method, make_side, upmix_file

        method = load_method(system)

        def run() -> None:
            upmix_file(source, target, method=method, overwrite=True)

    run()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    megabytes = peak_megabytes()
    if not system.startswith(PREFIX):
        from torch import from_numpy
        from torch.utils.flop_counter import FlopCounterMode

        mono, _ = soundfile.read(source, dtype="float32")
        with FlopCounterMode(display=False) as counter:  # counts in this thread only
            make_side(method, from_numpy(mono))
        flops = float(counter.get_total_flops())
    return {
        "seconds": statistics.median(times),
        "megabytes": megabytes,
        "flops": flops,
    }


def machine_flops() -> float:
    """FLOP/s of a large matrix product in one thread, the best of five."""
    import torch

    torch.set_num_threads(1)
    matrix, times = torch.rand(MATRIX_SIZE, MATRIX_SIZE), []
    for _ in range(5):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return 2 * MATRIX_SIZE**3 / min(times)


def peak_megabytes() -> float:
    """Peak memory of this process.

    On Linux, `getrusage` would include the memory of the parent before this program started.
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
    """Fold-down error, mono level, correlation and width of the result."""
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
    """Wall-clock seconds of light commands, best of five, files cached."""
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
    """The tables of docs/speed.md; `rate` in FLOP/s."""
    duration = next(iter(rows.values()))["duration"]
    lines = [
        f"{duration:.0f} s of mono, file to file, after one warm-up run, median of {REPEATS}; "
        f"{os.cpu_count()} cores ({platform.machine()}). The lower bound is the FLOP count of the "
        f"network over the measured rate of one thread, {rate / 1e9:.0f} GFLOP/s.",
        "",
        "| system | real-time factor | lower bound | peak memory, MB | fold-down error, dB "
        "| mono level, dB | correlation | width |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        factor = row["seconds"] / duration
        lines.append(
            f"| {name} | {factor:.4f} | {_bound(row['flops'] / rate / duration)} "
            f"| {row['megabytes']:.0f} | {row['fold_down']:.1f} "
            f"| {row['mono_level']:+.2f} | {row['correlation']:.2f} | {row['width']:.2f} |"
        )
    lines += ["", "| command | seconds |", "| --- | ---: |"]
    lines += [f"| `{name}` | {seconds:.2f} |" for name, seconds in starts.items()]
    return "\n".join(lines) + "\n"


def readme_table(rows: dict[str, dict[str, float]]) -> str:
    """Real-time factor and memory of our methods."""
    lines = ["| method | real-time factor | peak memory, MB |", "| --- | ---: | ---: |"]
    lines += [
        f"| {name} | {row['seconds'] / row['duration']:.4f} | {row['megabytes']:.0f} |"
        for name, row in rows.items()
        if not name.startswith(PREFIX)
    ]
    return "\n".join(lines)


def _bound(factor: float) -> str:
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
        source = Path(folder) / "mono.wav"  # in float: no quantization noise
        samples, rate = soundfile.read(original, dtype="float32")
        soundfile.write(source, samples, rate, subtype="FLOAT")
        for system in [*READY_METHODS, *(PREFIX + name for name in FILTERS)]:
            target = Path(folder) / "stereo.wav"
            rows[system] = in_own_process(system, source, target) | fidelity(source, target)
            print(f"{system}: done", file=sys.stderr)
            target.unlink()
    starts = start_up()
    rate = machine_flops()
    text = markdown(rows, starts, rate)
    print(text)
    if options.write:
        options.write.write_text(f"# Speed\n\n{text}\nMade by `make bench`.\n", encoding="utf-8")
        figures = {"systems": rows, "start_up_seconds": starts, "flops_per_second": rate}
        options.write.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n")
        write_page(README, {"speed": readme_table(rows)})


if __name__ == "__main__":
    main()
