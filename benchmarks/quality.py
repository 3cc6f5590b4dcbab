"""How near every method comes to true stereo: D_F and its companions over a folder of records.

    python benchmarks/quality.py --data FOLDER --records FOLDER [--write docs/quality.md]

Every stereo file of `--data` is folded down, upmixed by every method, and the resulting *sound* is
analysed again; frames are pooled over files and compared with those of the true stereo. Three rows
frame the others: `mono` (the fold-down itself), `coder` (the true parameters, decoded) and `floor`
(the parameters of the training records as they are, never decoded).
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import soundstage.weights
from soundstage.audio import Audio
from soundstage.corpora import record_features, stereo_records
from soundstage.metrics import (
    FramePool,
    channel_correlation,
    fold_down_error,
    frechet_distance,
    normalised_width,
    wobble,
)
from soundstage.stereo import RATE, decode_signal, encode_signal, to_left_right, to_mid_side
from soundstage.upmixing import METHODS, load_method, make_side

CARDS = Path(soundstage.weights.__file__).parent


class Row(NamedTuple):
    """What one system leaves of one clip."""

    pool: FramePool
    wobble: float
    width: float
    correlation: float
    fold_down: float


def measured(stereo: torch.Tensor, mid: torch.Tensor) -> Row:
    """Everything the table needs of one result."""
    parameters = encode_signal(stereo)
    pool = FramePool()
    pool.add(parameters)
    sound = stereo.numpy()
    return Row(
        pool,
        wobble(parameters.iid),
        normalised_width(sound),
        channel_correlation(sound),
        fold_down_error(sound, mid.numpy()),
    )


def clip_rows(path: Path, *, seed: int) -> dict[str, Row]:
    """Rows of every system for one clip."""
    torch.set_num_threads(1)
    stereo = torch.from_numpy(Audio.read(path).resample(RATE).samples.copy())
    mid, _ = to_mid_side(*stereo)
    true = encode_signal(stereo)
    with torch.inference_mode():
        side = decode_signal(mid, true, seed=seed)[0]
        new_mid, mixed = decode_signal(mid, true, seed=seed, decoder="mixing")
        results = {
            "true stereo": stereo,
            "mono": torch.stack([mid, mid]),
            "coder": torch.stack(to_left_right(mid, side)),
            "coder, mixing matrices": torch.stack(to_left_right(new_mid, mixed)),
        }
        for name in METHODS:
            made = make_side(load_method(name), mid, seed=seed)
            results[name] = torch.stack(to_left_right(mid, made[-1]))
    return {name: measured(result, mid) for name, result in results.items()}


def record_pool(path: Path) -> FramePool:
    """The frames of one training record, as they are."""
    torch.set_num_threads(1)
    pool = FramePool()
    pool.add(record_features(path).parameters)
    return pool


def over(work, paths: list[Path], workers: int):
    """`work` on every path, over processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, paths)


def table(clips: list[dict[str, Row]], floor: FramePool | None) -> list[dict[str, float | str]]:
    """One line a system."""
    pools: dict[str, FramePool] = {}
    for clip in clips:
        for name, row in clip.items():
            pools.setdefault(name, FramePool()).merge(row.pool)
    truth = pools["true stereo"]
    lines: list[dict[str, float | str]] = []
    for name, pool in pools.items():
        rows = [clip[name] for clip in clips]
        lines.append(
            {
                "system": name,
                "D_F": frechet_distance(truth, pool),
                "wobble": float(np.mean([row.wobble for row in rows])),
                "width": float(np.mean([row.width for row in rows])),
                "correlation": float(np.mean([row.correlation for row in rows])),
                "fold_down": max(row.fold_down for row in rows),
            }
        )
    if floor:
        lines.append({"system": "floor", "D_F": frechet_distance(truth, floor)})
    return lines


def markdown(lines: list[dict[str, float | str]], clips: int, seed: int) -> str:
    """The table as it stands in the docs."""
    head = [
        f"{clips} clips, seed {seed}. D_F: Fréchet distance of the stereo parameters to those of "
        "the true stereo, over all frames; the rest are means over clips, and the fold-down error "
        "is the worst of them.",
        "",
        "| system | D_F ↓ | wobble, dB | width | correlation | fold-down error, dB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    body = []
    for line in lines:
        if "wobble" in line:
            body.append(
                "| {system} | {D_F:.2f} | {wobble:.2f} | {width:.2f} | {correlation:.2f} "
                "| {fold_down:.0f} |".format(**line)
            )
        else:
            body.append("| {system} | {D_F:.2f} | | | | |".format(**line))
    return "\n".join(head + body) + "\n"


def write_into_cards(lines: list[dict[str, float | str]], clips: int) -> None:
    """The figures of every method into the card of the weights that it uses."""
    figures: dict[str, dict[str, object]] = {}
    by_name = {line["system"]: line for line in lines}
    for name, method in METHODS.items():
        row = {key: round(value, 3) for key, value in by_name[name].items() if key != "system"}
        figures.setdefault(method.weights, {"clips": clips})[name] = row
    for weights, test in figures.items():
        path = CARDS / f"{weights}.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        head = {key: value for key, value in card.items() if key not in ("licences", "credits")}
        tail = {key: card[key] for key in ("licences", "credits")}
        text = json.dumps({**head, "test": test, **tail}, indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="true stereo to measure on")
    parser.add_argument("--records", type=Path, help="the training records, for the floor")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path, help="a Markdown file to write; JSON goes beside it")
    parser.add_argument("--cards", action="store_true", help="write the figures into the cards")
    options = parser.parse_args()

    paths, _ = stereo_records(options.data)
    clips = list(over(partial(clip_rows, seed=options.seed), paths, options.workers))
    floor = None
    if options.records:
        floor = FramePool()
        for pool in over(record_pool, stereo_records(options.records)[0], options.workers):
            floor.merge(pool)
    lines = table(clips, floor)
    text = markdown(lines, len(clips), options.seed)
    print(text)
    if options.cards:
        write_into_cards(lines, len(clips))
    if options.write:
        page = f"# Quality\n\n{text}\nMade by `make quality`.\n"
        options.write.write_text(page, encoding="utf-8")
        options.write.with_suffix(".json").write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    main()
