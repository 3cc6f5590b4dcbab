"""Decoding of sound fields to two ears against direct rendering with the same HRTFs.

    python benchmarks/ambisonics_binaural.py [--write]

Sources in 240 directions around a head turned by 30 degrees, as plane waves in a field of orders 1
to 3 that is turned and decoded, are compared with `hrtf` rendering of the turned scene, with the
bundled HRTF set at 44.1 kHz:

- level: the rms difference in each octave over all directions and both ears, in dB; over all
  octaves, at both ears and at the ear that faces the source; and the largest mean difference of an
  octave;
- ITD: the median and the 95th percentile of the difference of the delay between the ears, in
  milliseconds, from their cross-correlation below 1.5 kHz;
- turning: the difference between turning the field and encoding the turned scene, both decoded, as
  their energy in dB, and the largest one of a level in an octave in dB and of an ITD in ms;
- cost: the real-time factor of decoding, on one thread.

With --write they go into docs/binaural.md.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float
from pages import write_page
from scipy.spatial.transform import Rotation

from soundstage.ambisonics.harmonics import harmonics
from soundstage.binaural import HrtfInterpolator, HrtfRenderer, Listener, load_hrtf
from soundstage.binaural.geometry import from_angles
from soundstage.binaural.hrtf.sphere import even_directions
from soundstage.binaural.render_options import DECODERS, FieldDecoding

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
RATE, SIZE, YAW = 44_100, 2048, 30.0
DIRECTIONS = even_directions(240)
OCTAVES = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
ITD_HIGHEST, ITD_LONGEST, UPSAMPLED = 1500.0, 1e-3, 16
SECONDS = 30
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / RATE)
TURN = Rotation.from_euler("z", YAW, degrees=True)
NAMES = {"magls": "`magls` (default)", "loudspeakers": "`loudspeakers`"}

Spectra = Complex[np.ndarray, "directions 2 bins"]


def decoded(order: int, decoding: FieldDecoding, *, turned: bool) -> Spectra:
    """Responses of the ears to plane waves: the field is turned, or the waves before encoding."""
    renderer = HrtfRenderer(load_hrtf(), decoding=decoding)
    listener = Listener.turned(YAW) if turned else None
    directions = DIRECTIONS if turned else TURN.inv().apply(DIRECTIONS)
    responses = []
    for values in harmonics(directions, order):
        stream = renderer.field_stream(order, RATE, listener)
        field = np.zeros((len(values), 1), np.float32)
        field[:, 0] = values
        responses.append(np.concatenate([stream.push(field), stream.finish()], axis=1))
    return np.fft.rfft(np.stack(responses), SIZE)


def direct() -> Spectra:
    """Responses of the ears to the turned scene."""
    interpolator = HrtfInterpolator(load_hrtf().resampled(RATE))
    return np.fft.rfft(interpolator.responses(TURN.inv().apply(DIRECTIONS)), SIZE)


def level_errors(found: Spectra, expected: Spectra, hertz: float) -> Float[np.ndarray, "n 2"]:
    """Levels in an octave relative to the expected ones, in dB."""
    band = (hertz / 2**0.5 <= FREQUENCIES) & (hertz * 2**0.5 > FREQUENCIES)
    powers = [np.square(np.abs(each[..., band])).sum(axis=-1) for each in (found, expected)]
    return 10 * np.log10(powers[0] / powers[1])


def itd(spectra: Spectra) -> Float[np.ndarray, " directions"]:
    """Delay between the ears in milliseconds."""
    cross = spectra[:, 0] * spectra[:, 1].conj() * np.exp(-((FREQUENCIES / ITD_HIGHEST) ** 4))
    correlation = np.fft.irfft(cross, SIZE * UPSAMPLED)
    lags = round(ITD_LONGEST * RATE * UPSAMPLED)
    near = np.concatenate([correlation[:, -lags:], correlation[:, : lags + 1]], axis=1)
    return (near.argmax(axis=1) - lags) / (RATE * UPSAMPLED) * 1000


def accuracy() -> Iterator[str]:
    """Lines of the table."""
    columns = " | ".join(f"{hertz:g} Hz" for hertz in OCTAVES)
    summary = "both ears | facing ear | mean | ITD, ms | ITD 95 %, ms"
    turning = "turning, dB | its level, dB | its ITD, ms"
    yield f"| order | decoder | {columns} | {summary} | {turning} |"
    yield f"| --- | --- |{' ---: |' * (len(OCTAVES) + 8)}"
    expected = direct()
    for order in (1, 2, 3):
        for decoding in DECODERS:
            found = decoded(order, decoding, turned=True)
            errors = np.stack([level_errors(found, expected, hertz) for hertz in OCTAVES])
            cells = [f"{np.sqrt(np.square(each).mean()):.1f}" for each in errors]
            left = (TURN.inv().apply(DIRECTIONS)[:, 1] > 0).astype(int)
            facing = errors[:, np.arange(len(left)), 1 - left]
            cells.append(f"{np.sqrt(np.square(errors).mean()):.1f}")
            cells.append(f"{np.sqrt(np.square(facing).mean()):.2f}")
            cells.append(f"{np.abs(errors.mean(axis=(1, 2))).max():.1f}")
            delays = np.abs(itd(found) - itd(expected))
            cells += [f"{np.median(delays):.3f}", f"{np.percentile(delays, 95):.3f}"]
            encoded = decoded(order, decoding, turned=False)
            power = np.square(np.abs(found - encoded)).sum() / np.square(np.abs(encoded)).sum()
            levels = [level_errors(found, encoded, hertz) for hertz in OCTAVES]
            cells.append(f"−{-10 * np.log10(power):.0f}")
            cells.append(f"{np.abs(levels).max():.4f}")
            cells.append(f"{np.abs(itd(found) - itd(encoded)).max():.3f}")
            yield f"| {order} | {NAMES[decoding]} | {' | '.join(cells)} |"


def costs() -> Iterator[str]:
    """Lines of the table."""
    yield "| order | head at rest | head that turns | start-up, s |\n| --- | ---: | ---: | ---: |"
    turns = np.linspace(0, SECONDS, 4 * SECONDS + 1)
    angles = np.zeros((len(turns), 3))
    angles[:, 0] = 90 * np.sin(turns)
    turning = Listener(turns, np.zeros((len(turns), 3)), from_angles(angles))
    for order in (1, 2, 3):
        field = np.random.default_rng(0).standard_normal(((order + 1) ** 2, SECONDS * RATE))
        renderer, cells = HrtfRenderer(load_hrtf()), []
        started = time.perf_counter()
        renderer.field_stream(order, RATE)
        ready = time.perf_counter() - started
        for listener in (Listener.turned(YAW), turning):
            stream = renderer.field_stream(order, RATE, listener)
            blocks = np.array_split(field.astype(np.float32), SECONDS, axis=1)
            started = time.perf_counter()
            for block in blocks:
                stream.push(block)
            stream.finish()
            cells.append(f"{(time.perf_counter() - started) / SECONDS:.3f}")
        yield f"| {order} | {' | '.join(cells)} | {ready:.2f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = {}
    for name, lines in {"field decoding": accuracy(), "field cost": costs()}.items():
        table = []
        for line in lines:
            print(line, flush=True)
            table.append(line)
        tables[name] = "\n".join(table)
    if options.write:
        write_page(PAGE, tables)


if __name__ == "__main__":
    main()
