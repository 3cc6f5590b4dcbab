"""Mutated sound files through a whole upmix: a result that is not shorter, or a sentence."""

import numpy as np
import pytest

from corpus_of_oddities import bases
from making import read_all
from soundstage.errors import SoundstageError
from soundstage.upmixing import Upmixer

RUNS = 110
COARSE = 4800  # frames: containers with coarse time stamps count to 0.1 s
HEADER = 512  # bytes in which a change may declare another, shorter sound


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """Data with bits flipped, a part repeated, the end cut off, or four bytes replaced."""
    changed, at = bytearray(data), int(random.integers(HEADER, len(data) - 4))
    kind = int(random.integers(4))
    if kind == 0:
        for place in random.integers(HEADER, len(data), 4):
            changed[place] ^= 1 << int(random.integers(8))
    elif kind == 1:
        changed[at:at] = changed[at // 2 : at]
    elif kind == 2:
        del changed[at:]
    else:
        changed[at : at + 4] = random.choice(
            [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
        )
    return bytes(changed)


@pytest.mark.long
def test_mutated_files_are_upmixed_whole_or_refused(tmp_path):
    random = np.random.default_rng(36)
    upmixer = Upmixer.from_pretrained("comb")
    seeds = [
        (
            suffix,
            file.path.read_bytes(),
            read_all(file.path).shape[1],
        )
        for suffix, file in bases(tmp_path).items()
        if suffix not in ("ts", "mp2", "ac3")  # a part of these may be a whole file
    ]
    sentences = []
    for k in range(RUNS):
        suffix, data, frames = seeds[k % len(seeds)]
        path = tmp_path / f"mutated.{suffix}"
        path.write_bytes(mutated(data, random))
        try:
            report = upmixer.file(path, tmp_path / "out.wav", width=0.5, overwrite=True)
        except SoundstageError as error:
            sentences.append(str(error))
        else:
            assert report.frames > frames - COARSE, (k, suffix)
    assert RUNS // 4 < len(sentences) < RUNS
    assert all(sentence.endswith(".") for sentence in sentences)
