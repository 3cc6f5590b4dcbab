"""Ambisonics: directions that come back, levels of loudspeakers, exactness of W, and speed.

    python benchmarks/ambisonics.py [--seconds 60] [--write]

The agreement with spaudiopy is tested in `tests/ambisonics`. With --write the table goes into
docs/ambisonics.md.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pages import write_page
from scipy.spatial.transform import Rotation

import soundstage
from soundstage.ambisonics import (
    LAYOUTS,
    RotationStream,
    control_points,
    decoding_matrix,
    direction_of,
    encode,
    head_rotation,
    rotation_matrix,
    to_direction,
)
from soundstage.ambisonics.harmonics import even_directions, harmonics
from soundstage.audio import Audio
from soundstage.evaluation.markdown_tables import markdown

PAGE = Path(__file__).parents[1] / "docs" / "ambisonics.md"
RATE = 48_000
REPEATS = 5
BLOCK = 1 << 16


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", action="store_true", help="fill docs/ambisonics.md")
    options = parser.parse_args()
    tables = {"speed": speed(options.seconds), "exactness": exactness(), "layouts": layouts()}
    for table in tables.values():
        print(table, end="\n\n", flush=True)
    if options.write:
        write_page(PAGE, tables)


def speed(seconds: float) -> str:
    """Real-time factors, the least of several runs."""
    generator = np.random.default_rng(0)
    mono = generator.standard_normal(round(seconds * RATE)).astype(np.float32)
    lines = [["of real time (goal 0.005)", "order 1", "order 2", "order 3"]]
    at_rest = to_direction(30.0, 10.0)
    azimuths = 45.0 * control_points(BLOCK) / RATE
    moving = to_direction(azimuths, np.zeros_like(azimuths))

    def encode_with(positions: np.ndarray, order: int) -> None:
        for start in range(0, mono.size, BLOCK):
            block = mono[start : start + BLOCK]
            encode(block, positions[: control_points(block.size).size], order)

    def encode_at_rest(order: int) -> None:
        for start in range(0, mono.size, BLOCK):
            encode(mono[start : start + BLOCK], at_rest, order)

    def rotate(order: int, fields: list[np.ndarray]) -> None:
        matrix = rotation_matrix(head_rotation(30.0), order).astype(np.float32)
        for field in fields:
            matrix @ field

    def turn(order: int, fields: list[np.ndarray]) -> None:
        stream = RotationStream(
            order, RATE, lambda times: Rotation.from_rotvec(np.outer(times, [0, 0, 0.7]))
        )
        for field in fields:
            stream.push(field)
        stream.finish()

    rows: dict[str, Callable[[int], Callable[[], None]]] = {
        "encode a source at rest": lambda order: lambda: encode_at_rest(order),
        "encode a moving source": lambda order: lambda: encode_with(moving, order),
    }
    for name, of_order in rows.items():
        lines.append([name, *(_factor(of_order(order), seconds) for order in (1, 2, 3))])
    for name, function in {"rotate": rotate, "rotate over time": turn}.items():
        cells = []
        for order in (1, 2, 3):
            fields = [
                generator.standard_normal(((order + 1) ** 2, min(BLOCK, mono.size - start)))
                .astype(np.float32)
                for start in range(0, mono.size, BLOCK)
            ]  # fmt: skip
            cells.append(_factor(lambda f=function, o=order, x=fields: f(o, x), seconds))  # type: ignore[misc]
        lines.append([name, *cells])
    return markdown(lines)


def exactness() -> str:
    """Directions of single sources, and W of an upmix."""
    generator = np.random.default_rng(1)
    mono = generator.standard_normal(RATE).astype(np.float32)
    grid = [np.array(each, float) for each in np.ndindex(3, 3, 3) if each != (1, 1, 1)]
    directions = [(each - 1) / np.linalg.norm(each - 1) for each in grid]
    lines = [["", "order 1", "order 2", "order 3"]]
    worst = []
    for order in (1, 2, 3):
        errors = []
        for direction in directions:
            found = direction_of(encode(mono, direction, order))
            back = to_direction(found.azimuth, found.elevation)
            errors.append(math.degrees(math.acos(min(float(back @ direction), 1.0))))
        worst.append(f"{max(errors):.2f}°")
    lines.append(["26 directions, largest error by intensity (goal 1°)", *worst])
    sound = Audio(0.1 * mono[None], RATE)
    nulls = []
    for order in (1, 2, 3):
        field = soundstage.upmix(sound, ambix=order).samples
        error = field[0].astype(float) - sound.samples[0]
        null = 10 * math.log10(np.mean(error**2) / np.mean(sound.samples[0] ** 2) + 1e-30)
        nulls.append(f"{null:.0f} dB")
    lines.append(["W of `upmix --ambix` less its input (goal −140 dB)", *nulls])
    return markdown(lines)


def layouts() -> str:
    """Energy and direction of plane waves over loudspeakers, by AllRAD."""
    lines = [["layout", "order", "energy, dB", "mean error of direction"]]
    waves = even_directions(1_000)
    around = to_direction(np.arange(0, 360, 2.0), np.zeros(180))
    for name, layout in LAYOUTS.items():
        order = 3 if len(layout.full_range) > 4 else 1
        sources = around if layout.is_flat else waves[waves[:, 2] > (-2 if name == "cube" else 0)]
        gains = harmonics(sources, order) @ decoding_matrix(layout, order).T
        power = np.square(gains[:, layout.full_range])
        energy = 10 * np.log10(power.sum(axis=1))
        vector = power @ layout.directions / power.sum(axis=1, keepdims=True)
        length = np.linalg.norm(vector, axis=1)
        cosine = np.clip((vector * sources).sum(axis=1) / np.maximum(length, 1e-9), -1, 1)
        error = np.degrees(np.arccos(cosine)).mean()
        lines.append(
            [name, str(order), f"{energy.min():+.1f} to {energy.max():+.1f}", f"{error:.1f}°"]
        )
    return markdown(lines)


def _factor(work: Callable[[], None], seconds: float) -> str:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return f"{min(times) / seconds:.4f}"


if __name__ == "__main__":
    main()
