"""Small collections of stems and untrained separators, for tests of `stems`."""

import csv

import numpy as np
import soundfile
import torch
from torch.nn import functional as F

from soundstage.corpora.stem_cache import KINDS, StemCache
from soundstage.networks.models.stem_unet import StemUNetConfig
from soundstage.separation.stems import PROTOTYPES
from soundstage.stereo.fine_bands import FINE_BANDS
from soundstage.weights.model import save_model

RATE = 44_100


def small_config(**changes):
    settings = {
        "n_bands": FINE_BANDS,
        "kinds": KINDS,
        "channels": (4, 8, 8),
        "embedding_dim": 4,
        "context_dim": 8,
        "dilations": (1,),
    }
    return StemUNetConfig(**{**settings, **changes})


def write_separator(path, *, seed=0, objects=3):
    """An untrained separator, which gives every tile some other shares."""
    config = small_config()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = config.build()
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
        prototypes = F.normalize(torch.randn(objects, config.embedding_dim), dim=1)
    save_model(path, config, network.state_dict(), {PROTOTYPES: prototypes})
    return path


def cache(songs=2, frames=96, kinds=KINDS, seed=0):
    """Every stem has energy in bands of its own."""
    random = np.random.default_rng(seed)
    names, found, levels = [], [], []
    for song in range(songs):
        for place, kind in enumerate(kinds):
            own = random.integers(0, 20, (frames, FINE_BANDS))
            first = place * FINE_BANDS // len(kinds)
            own[:, first : first + FINE_BANDS // len(kinds)] += 150
            names.append(f"made/{song}")
            found.append(kind)
            levels.append(own.astype(np.uint8))
    ends = torch.tensor([len(each) for each in levels]).cumsum(0)
    return StemCache(
        torch.from_numpy(np.concatenate(levels)),
        ends,
        names,
        found,
        [{"license": "CC0", "source": "made by code"}] * len(names),
        bytes([seed % 256]) * 32,
    )


def write_collection(folder, stems, *, split="train", seconds=1.0):
    """A collection on disk: tones of (song, stem, kind, frequency), one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE)) / RATE
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "song", "stem", "kind", "license", "source", "split"])
        for song, stem, kind, frequency in stems:
            name = f"{song}-{stem}.wav"
            soundfile.write(folder / name, 0.5 * np.sin(2 * np.pi * frequency * time), RATE)
            writer.writerow([name, song, stem, kind, "CC0", "made by code", split])
    return folder
