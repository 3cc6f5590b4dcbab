import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sounds import cut, song, stereo_scene
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError
from soundstage.metrics import fold_down_error, normalized_width
from soundstage.upmixing.api import upmix, upmix_stream
from soundstage.upmixing.controls import Controls
from tiny import EXACT, UPMIXERS

RATE = 48_000
NEAREST = UPMIXERS["nearest"]


def mono(seconds: float = 1.9) -> np.ndarray:
    return song(int(seconds * RATE), rate=RATE).numpy()


@pytest.mark.parametrize("name", EXACT)
def test_the_fold_down_returns_the_source(name: str) -> None:
    stereo = upmix((mono(), RATE), method=UPMIXERS[name])
    assert stereo.rate == RATE
    assert stereo.samples.shape == (2, mono().size)
    assert stereo.samples.dtype == np.float32
    assert fold_down_error(torch.tensor(stereo.samples), torch.tensor(mono())) < -120
    assert normalized_width(torch.tensor(stereo.samples)) > 0.3


def test_every_kind_of_source_gives_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, mono(), RATE, subtype="FLOAT")
    sources = [
        path,
        str(path),
        Audio(mono()[None], RATE),
        (mono(), RATE),
        (mono()[None], RATE),
    ]
    first, *others = [upmix(source, method=NEAREST).samples for source in sources]
    assert all(np.array_equal(first, other) for other in others)


def test_a_stream_gives_the_samples_of_the_whole() -> None:
    blocks = list(upmix_stream(cut(mono(), [7, 30_000]), RATE, method=NEAREST, seed=3))
    whole = upmix((mono(), RATE), method=NEAREST, seed=3)
    assert np.array_equal(np.concatenate(blocks, axis=1), whole.samples)


def test_controls_and_seeds_arrive() -> None:
    plain = upmix((mono(), RATE), method=NEAREST)
    assert not np.array_equal(plain.samples, upmix((mono(), RATE), method=NEAREST, seed=1).samples)
    for control in ({"bass_mono_hz": 200.0}, {"center_focus": 1.0}, {"width": 0.5}):
        changed = upmix((mono(), RATE), method=NEAREST, **control)
        widths = [normalized_width(torch.tensor(made.samples)) for made in (changed, plain)]
        assert widths[0] < widths[1]
        stream = upmix_stream([mono()], RATE, method=NEAREST, controls=Controls(**control))
        assert np.array_equal(np.concatenate(list(stream), axis=1), changed.samples)


def test_dual_mono_is_taken_as_mono() -> None:
    twice = np.stack([mono(), mono()])
    stereo = upmix((twice, RATE), method=NEAREST)
    assert np.array_equal(stereo.samples, upmix((mono(), RATE), method=NEAREST).samples)


def test_true_stereo_is_folded_down_only_when_asked(tmp_path: Path) -> None:
    scene = stereo_scene(20_000).numpy()
    path = tmp_path / "stereo.wav"
    soundfile.write(path, scene.T, RATE, subtype="FLOAT")
    for source in ((scene, RATE), path):
        with pytest.raises(InputError, match="stereo already"):
            upmix(source, method=NEAREST)
        folded = upmix(source, method=NEAREST, downmix=True)
        wanted = torch.tensor((scene[0] + scene[1]) / 2)
        assert fold_down_error(torch.tensor(folded.samples), wanted) < -120


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros((3, 100), np.float32), "3 channels"),
        (np.zeros((1, 0), np.float32), "no samples"),
        (np.full(100, np.nan, np.float32), "not finite"),
        (np.full((2, 100), np.inf, np.float32), "not finite"),
    ],
)
def test_a_sound_that_cannot_be_upmixed_is_refused(samples: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        upmix((samples, RATE), method=NEAREST)


def test_controls_and_method_are_checked_before_anything_is_read() -> None:
    with pytest.raises(OptionError, match="width"):
        upmix("missing.wav", width=7)
    with pytest.raises(OptionError, match="magic"):
        upmix("missing.wav", method="magic")


def test_no_warning_is_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        upmix(Audio(mono(0.2)[None], RATE), method=NEAREST)


def test_the_source_is_left_as_it_was() -> None:
    samples = mono(0.5)
    upmix((samples, RATE), method=NEAREST, width=2)
    assert np.array_equal(samples, mono(0.5))
