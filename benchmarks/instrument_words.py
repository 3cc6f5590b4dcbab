"""Whether words about instruments move the named source as they say, and no other.

    python benchmarks/instrument_words.py FOLDER_OF_STEMS [--method placed] [--limit N] [--write]

Songs are mixed to mono from their stems and upmixed with one seed, without a style and with each
word for each kind of source in the song. In the tiles that a stem dominates (docs/metrics.md,
"Places") the level of left over right is its place, and the level of the side over the mid its
width. "Left" and "right" have to move the place of the named stems by over 0.5 dB that way,
"narrow", "wide" and "centered" their width; the place of every stem of another kind may move by 1
dB. With --write the table goes into docs/placement.md.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pages import write_page

from soundstage.corpora import open_corpus
from soundstage.evaluation.eval_items import EvalItem, load_eval_item, stem_kinds
from soundstage.evaluation.markdown_tables import markdown
from soundstage.metrics.placement import Tiles, measure_places, stereo_tiles
from soundstage.stereo import RATE
from soundstage.upmixing import Upmixer

PAGE = Path(__file__).parents[1] / "docs" / "placement.md"
NAMES = {"lead": "voice", "voice": "backing", "drums": "drums", "bass": "bass", "object": "other"}
"""The word for each kind of stem."""
WORDS = {
    "left": ("place", 1),
    "right": ("place", -1),
    "centered": ("width", -1),
    "narrow": ("width", -1),
    "wide": ("width", 1),
}
"""What each word changes, and in which direction."""
LEAST_MOVE_DB = 0.5
MOST_OTHERS_DB = 1.0
THRESHOLD = 0.9  # share of the songs


class Measures(NamedTuple):
    """Of every stem; NaN if it dominates no tile."""

    place: Float[np.ndarray, " stems"]
    """Level of left over right in dB."""
    width: Float[np.ndarray, " stems"]
    """Level of the side over the mid in dB."""


class Change(NamedTuple):
    """What a word did in one song."""

    moved: float
    """Of the named stems, in dB in the direction of the word."""
    others: float
    """Largest change of place of another stem in dB, without sign; 0 if there is none."""

    @property
    def is_obeyed(self) -> bool:
        """Whether it did what it says, and nothing else."""
        return self.moved > LEAST_MOVE_DB and self.others <= MOST_OTHERS_DB


def measure(tiles: Tiles) -> Measures:
    """Place and width of every stem."""
    owned = tiles.weights > 0
    side, mid = ((owned * energy).sum(dim=(1, 2)) for energy in (tiles.side, tiles.mid))
    width = 10 * torch.log10((side + 1e-12) / mid)
    width[~owned.any(dim=-1).any(dim=-1)] = math.nan
    return Measures(np.array(measure_places(tiles).sources), width.numpy())


def change(
    without: Measures, styled: Measures, kinds: Sequence[str], kind: str, word: str
) -> Change | None:
    """What a word for a kind did; None if its stems dominate no tile."""
    quantity, sign = WORDS[word]
    named = np.array([each == kind for each in kinds])
    moves = sign * (getattr(styled, quantity) - getattr(without, quantity))[named]
    if np.isnan(moves).all():
        return None
    others = np.abs(styled.place - without.place)[~named]
    largest = 0.0 if np.isnan(others).all() else float(np.nanmax(others))
    return Change(float(np.nanmean(moves)), largest)


def song_changes(item: EvalItem, kinds: Sequence[str], method: str) -> dict[str, Change]:
    """What every word did in a song, by phrase."""
    assert item.energies is not None
    mono = (item.mono.numpy(), RATE)

    def measured(style: str | None) -> Measures:
        upmixer = Upmixer.from_pretrained(method, style=style)
        made = torch.tensor(upmixer(mono, seed=0, width=1.0).samples)
        return measure(stereo_tiles(made, item.energies))

    without, found = measured(None), {}
    for kind in dict.fromkeys(kinds):
        for word in WORDS if kind in NAMES else ():
            phrase = f"{NAMES[kind]} {word}"
            if changed := change(without, measured(phrase), kinds, kind, word):
                found[phrase] = changed
    return found


def table(songs: Mapping[str, Mapping[str, Change]], method: str) -> str:
    """Medians over the songs, and the share of those that obey."""
    phrases = [f"{name} {word}" for name in NAMES.values() for word in WORDS]
    rows = [["words", "songs", "named source, dB", "others at most, dB", "obeyed"]]
    shares = []
    for phrase in phrases:
        changes = [song[phrase] for song in songs.values() if phrase in song]
        if not changes:
            continue
        moved, others = (float(np.median(each)) for each in zip(*changes, strict=True))
        shares.append(sum(each.is_obeyed for each in changes) / len(changes))
        _, sign = WORDS[phrase.split()[-1]]
        values = [f"{sign * moved:+.1f}", f"{others:.1f}", f"{shares[-1]:.0%}"]
        rows.append([phrase, str(len(changes)), *values])
    reached = sum(share >= THRESHOLD for share in shares)
    head = (
        f"`{method}` on {len(songs)} songs: {reached} of {len(shares)} phrases are obeyed in "
        f"{THRESHOLD:.0%} of the songs or more."
    )
    return f"{head}\n\n{markdown(rows)}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="songs as stems, with manifest.csv")
    parser.add_argument("--method", default="placed")
    parser.add_argument("--seconds", type=float, default=20, help="from the middle; 0 for all")
    parser.add_argument("--limit", type=int, default=0, help="songs; 0 for all")
    parser.add_argument("--write", action="store_true", help="fill docs/placement.md")
    options = parser.parse_args()
    songs = {}
    for clip in open_corpus(options.folder).clips[: options.limit or None]:
        item = load_eval_item(clip, options.seconds)
        songs[clip.name] = song_changes(item, stem_kinds(clip), options.method)
        obeyed = sum(each.is_obeyed for each in songs[clip.name].values())
        print(f"{clip.name}: {obeyed} of {len(songs[clip.name])} phrases", flush=True)
    made = table(songs, options.method)
    print(made)
    if options.write:
        write_page(PAGE, {"words": made})


if __name__ == "__main__":
    main()
