"""Every method on real recordings: no block artifacts, no clipping, no sound in silence.

    make test-corpus [CORPUS=../shared/data]

Needs the shared data: mono recordings in `mono/`, and stereo clips in `music/test/`, which are
folded down.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from soundstage.audio import Audio, StreamResampler
from soundstage.metrics import fold_down_error
from soundstage.upmixing import (
    READY_METHODS,
    load_method,
    make_side,
    upmix_blocks,
    upmix_file,
)
from soundstage.upmixing.engine import FLUSH, METHOD_BLOCK

pytestmark = pytest.mark.corpus

CORPUS = Path(os.environ.get("SOUNDSTAGE_CORPUS", "../shared/data"))
FILES = sorted([*CORPUS.glob("mono/*.ogg"), *CORPUS.glob("music/test/*.ogg")])
SILENCE = 0.7  # seconds put into the middle of every recording


@pytest.fixture(scope="module", params=READY_METHODS)
def method(request):
    return request.param, load_method(request.param)


def read_mono(path):
    """The mono recording, at most 40 s, with digital silence in the middle."""
    audio = Audio.read(path)
    mono = audio.samples.mean(axis=0)[: 40 * audio.rate].astype(np.float32)
    half = mono.size // 2
    silent = np.zeros(round(SILENCE * audio.rate), np.float32)
    return np.concatenate([mono[:half], silent, mono[half:]]), audio.rate, half


def upmixed(mono, rate, method):
    cut = (mono[start : start + 10_007] for start in range(0, mono.size, 10_007))
    blocks = list(upmix_blocks(cut, method, rate, seeds=[0]))
    return np.concatenate([block.side for (block,) in blocks])


def test_the_corpus_is_there():
    assert len(FILES) == 38


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_block_borders_are_inaudible(path, method):
    """Compared with a run in one block, and with the signal away from the borders."""
    name, loaded = method
    mono, rate, _ = read_mono(path)
    side = upmixed(mono, rate, loaded)
    assert side.size == mono.size
    assert np.isfinite(side).all()
    there = StreamResampler(rate, loaded.rate, 1)
    at_rate = np.concatenate([there.push(mono[None]), there.finish()], axis=1)[0]
    padded = np.pad(at_rate, (0, round(FLUSH * loaded.rate)))  # as in the engine
    whole = make_side(loaded, torch.from_numpy(padded))[0].numpy()[: at_rate.size]
    if rate == loaded.rate:
        scale = np.abs(whole).max()
        assert np.abs(side - whole).max() < 1e-4 * scale, name  # rounding of float32 sums, −80 dB
    # a click is a peak of the second difference
    jumps = np.abs(np.diff(whole, n=2))
    borders = np.arange(METHOD_BLOCK, whole.size - 2, METHOD_BLOCK)
    at_borders = np.max([jumps[borders + shift] for shift in (-2, -1, 0, 1)], axis=0)
    loudness = np.array([jumps[b - 4096 : b + 4096].max() for b in borders])
    assert (at_borders <= loudness).all()
    assert np.median(at_borders / np.maximum(loudness, 1e-12)) < 0.5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_silence_stays_silent_and_nothing_clips(path, method, tmp_path):
    _, loaded = method
    mono, rate, half = read_mono(path)
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, mono * (0.999 / np.abs(mono).max()), rate, subtype="PCM_16")
    report = upmix_file(source, target, method=loaded)
    before, _ = soundfile.read(source, dtype="int16")
    stereo, _ = soundfile.read(target, dtype="int16")
    assert stereo.shape == (before.size, 2)
    full = np.abs(stereo.astype(int)) >= 32767  # a clipped peak has several in a row
    assert not (full[1:] & full[:-1]).any()
    middle = stereo[half + round(0.45 * rate) : half + round((SILENCE - 0.1) * rate)]
    assert not middle.any(), "filters have decayed after 0.45 s"
    folded = stereo.astype(float).sum(axis=1) / 2
    wanted = before * 10 ** (report.gain_db / 20)
    limit = 0.0 if report.gain_db == 0 else 1.5  # half a step, and dither of one
    assert np.abs(folded - wanted).max() <= limit
    error = fold_down_error(torch.tensor(stereo.T / 32768), torch.tensor(wanted / 32768))
    assert error < -60
