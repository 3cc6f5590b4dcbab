"""Train and measure the classifier of `soundstage.metrics.content`.

    python benchmarks/content.py --data FOLDER [--train] [--write]

FOLDER has music/, speech/, events/, stems/ and mono/ with a manifest.csv each. Single instruments
for training are melodies rendered with fluidsynth and its General MIDI sounds, which must be
installed. Recordings are split by artist, speaker and source, instruments by program. Every
training clip comes twice, once degraded like an old disc or a telephone: narrow band, hiss, clicks,
reverberation. Of the events only recordings under CC0 and CC BY serve for training. With --train
the model and its credits are written anew, without it the stored model is measured; with --write
the confusion tables go into docs/analyze.md.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pages import write_page
from solo_melodies import PROGRAMS, render

from soundstage.audio import open_sound
from soundstage.metrics import content as model
from soundstage.metrics.content import CLASSES, ContentMeter, probabilities
from soundstage.spectra import PowerFrames, StreamingConvolver
from soundstage.upmixing.downmix import mid_of

PAGE = Path(__file__).parents[1] / "docs" / "analyze.md"
STORED = Path(model.__file__).with_name(model.MODEL)
EXCERPT = 40  # seconds of a piece of music
AMBIENT = {
    "rain",
    "sea_waves",
    "wind",
    "crackling_fire",
    "thunderstorm",
    "water_drops",
    "pouring_water",
    "toilet_flush",
    "vacuum_cleaner",
    "engine",
    "train",
    "airplane",
    "helicopter",
    "washing_machine",
    "chainsaw",
    "crickets",
    "insects",
    "chirping_birds",
    "footsteps",
    "keyboard_typing",
    "fireworks",
    "hand_saw",
    "clock_tick",
    "door_wood_creaks",
    "breathing",
    "snoring",
    "brushing_teeth",
    "can_opening",
    "drinking_sipping",
    "glass_breaking",
    "mouse_click",
    "door_wood_knock",
    "crow",
    "frog",
    "hen",
    "dog",
    "sheep",
    "cow",
    "pig",
    "rooster",
    "cat",
    "clapping",
}
STEMS = {"vocals_lead": "solo", "bass": "solo", "drums": "music"}
WEIGHTS = {"speech": 1.0, "solo": 1.0, "music": 1.5, "noise": 0.7}  # of each class in training


@dataclass(frozen=True)
class Clip:
    """A recording, with the class it belongs to."""

    path: Path
    kind: str
    split: str
    name: str
    credit: str = ""


def manifest(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Files and rows of a manifest."""
    with (folder / "manifest.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            yield folder / row["file"], row


def clips(data: Path, solos: Path) -> list[Clip]:
    """All clips, in a fixed order."""
    found = []
    for path, row in manifest(data / "music"):
        credit = f"{row['title']}, {row['artist']} ({row['licence']})"
        found.append(Clip(path, "music", row["split"], row["title"], credit))
    speech = list(manifest(data / "speech"))
    test = set(sorted({row["speaker"] for _, row in speech})[::4])
    for path, row in speech:
        split = "test" if row["speaker"] in test else "train"
        credit = f"{row['corpus']}, speaker {row['speaker']} ({row['licence']})"
        found.append(Clip(path, "speech", split, path.stem, credit))
    for path, row in manifest(data / "events"):
        split = "test" if row["fold"] == "4" else "train"
        free = row["clip_licence"].upper().replace("-", "").startswith(("CC0", "CCBY"))
        free = free and "NC" not in row["clip_licence"].upper()
        if row["class"] in AMBIENT and (free or split == "test"):
            credit = f"{row['clip_title']}, {row['clip_author']} ({row['clip_licence']})"
            found.append(Clip(path, "noise", split, row["class"], credit))
    for number, program in enumerate(p for p in PROGRAMS for _ in range(3)):
        path = solos / f"{number:03d}.wav"
        render(path, program, seed=number)
        found.append(Clip(path, "solo", "test" if program % 4 == 1 else "train", str(program)))
    for path, row in manifest(data / "stems"):
        if row["stem"] in STEMS:
            found.append(Clip(path, STEMS[row["stem"]], "other", f"{row['song']}, {row['stem']}"))
    for path, row in manifest(data / "mono"):
        kind = "speech" if "speech" in row["genre"] else "music"
        found.append(Clip(path, kind, "other", row["title"]))
    return found


def degraded(samples: np.ndarray, rate: int, chance: np.random.Generator) -> np.ndarray:
    """As from an old disc or a telephone, sometimes in a room."""
    form = int(chance.integers(4))
    response = np.zeros(4096)
    response[0] = 1
    if form in (1, 3):
        response = band_pass(chance.uniform(80, 250), chance.uniform(3_000, 7_000), rate)
    if chance.random() < 0.25:
        length = int(chance.uniform(0.2, 1.0) * rate)
        tail = chance.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        tail *= chance.uniform(0.3, 1) / np.sqrt((tail**2).sum())
        tail[0] += 1
        response = np.convolve(response, tail)
    convolver = StreamingConvolver(torch.from_numpy(response))
    sound = torch.cat([convolver.push(torch.from_numpy(samples)), convolver.finish()]).numpy()
    if form in (2, 3):
        level = sound.std()
        noise = chance.standard_normal(sound.size)
        sound = sound + level * 10 ** (-chance.uniform(18, 40) / 20) * noise
        if chance.random() < 0.5:
            places = chance.integers(0, sound.size, int(sound.size / rate * chance.uniform(1, 20)))
            sound[places] += 4 * level * chance.standard_normal(places.size)
    return sound.astype(np.float32)


def band_pass(low: float, high: float, rate: int) -> np.ndarray:
    """Impulse response of 4,096 samples."""
    hertz = np.fft.rfftfreq(8192, 1 / rate)
    gain = 1 / np.sqrt((1 + (low / np.maximum(hertz, 1)) ** 8) * (1 + (hertz / high) ** 8))
    return np.roll(np.fft.irfft(gain), 2048)[:4096] * np.hanning(4096)


def features_of(clip: Clip, chance: np.random.Generator | None) -> np.ndarray:
    """Features of all segments of a clip; degraded with `chance`."""
    with open_sound(clip.path) as sound:
        samples = np.concatenate([mid_of(block) for block in sound.blocks(1 << 16)])
        rate = sound.rate
    if clip.kind == "music" and clip.split == "train":
        samples = samples[(samples.size - EXCERPT * rate) // 2 :][: EXCERPT * rate]
    if chance:
        samples = degraded(samples, rate, chance)
    frames = PowerFrames(rate)
    meter = ContentMeter(frames)
    meter.push(frames.push(samples))
    return meter.features()


def fit(features: np.ndarray, classes: np.ndarray) -> dict[str, list]:
    """Multinomial logistic regression with a little weight decay."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-9
    z = torch.from_numpy(((features - mean) / deviation).clip(-model.LIMIT, model.LIMIT))
    counts = np.bincount(classes, minlength=len(CLASSES))
    share = torch.tensor([WEIGHTS[name] for name in CLASSES]) / torch.from_numpy(counts)
    target = torch.from_numpy(classes)
    layer = torch.nn.Linear(z.shape[1], len(CLASSES)).double()
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = torch.nn.functional.cross_entropy(layer(z), target, share.double())
        total = entropy + 1e-3 * sum(p.square().sum() for p in layer.parameters())
        total.backward()
        return total

    optimizer.step(loss)
    values = (mean, deviation, layer.weight.detach().numpy(), layer.bias.detach().numpy())
    names = ("mean", "deviation", "weight", "bias")
    rounded = np.vectorize(lambda value: float(f"{value:.6g}"))
    return {name: rounded(value).tolist() for name, value in zip(names, values, strict=True)}


def table(found: list[Clip], features: list[np.ndarray]) -> str:
    """Confusions by clip: the true class against what `Content` says."""
    kinds = ("speech", "solo", "music", "noise")
    lines = [f"| clips | number | {' | '.join(kinds)} |", "| --- |" + " ---: |" * 5]
    groups = [("test", kind) for kind in kinds] + [("valid", "music"), ("other", "")]
    for split, kind in groups:
        said = []
        for clip, rows in zip(found, features, strict=True):
            if clip.split == split and (kind in ("", clip.kind)) and len(rows):
                said.append(model.decide(probabilities(rows).mean(axis=0)).kind)
                if split == "other":
                    print(f"{clip.name}: {said[-1]} {probabilities(rows).mean(axis=0).round(2)}")
        if split == "other":
            continue
        counts = [str(said.count(each)) for each in kinds]
        lines.append(f"| {kind}, {split} | {len(said)} | {' | '.join(counts)} |")
    return "\n".join(lines)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as solos:
        found = clips(options.data, Path(solos))
        if not options.train:
            found = [clip for clip in found if clip.split != "train"]
        features = [features_of(clip, None) for clip in found]
        if options.train:
            rows, classes = [], []
            for number, clip in enumerate(found):
                if clip.split == "train":
                    both = [features[number], features_of(clip, np.random.default_rng(number))]
                    for part in (each for each in both if len(each)):
                        rows.append(part)
                        classes += [CLASSES.index(clip.kind)] * len(part)
            fitted = fit(np.concatenate(rows), np.array(classes))
            used = sorted({clip.credit for clip in found if clip.split == "train" and clip.credit})
            STORED.write_text(json.dumps({"model": fitted}) + "\n")
            STORED.with_name("content_credits.json").write_text(json.dumps(used, indent=0) + "\n")
    text = table(found, features)
    print(text)
    if options.write:
        write_page(PAGE, {"content": text})


if __name__ == "__main__":
    main()
