import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from making import read_all
from soundstage.audio.resampling import resample
from soundstage.errors import InputError
from soundstage.training.data.stereo_clips import StereoClips

RATE = 24_000
LENGTH, MARGIN = 2000, 100


def clips(*tracks: Path, length: int = LENGTH, size: int = 8, seed: int = 0) -> StereoClips:
    return StereoClips(tracks, length=length, margin=MARGIN, rate=RATE, batch_size=size, seed=seed)


def write_ramp(path: Path, begin: int, frames: int) -> Path:
    """Left is the position in millionths, from `begin` on; right is its negative."""
    ramp = (begin + np.arange(frames)) / 1e6
    soundfile.write(path, np.stack([ramp, -ramp], axis=1), RATE, subtype="DOUBLE")
    return path


def test_a_clip_is_a_segment_of_a_track_with_a_margin_on_either_side(tmp_path: Path) -> None:
    one = write_ramp(tmp_path / "one.wav", 1, LENGTH)
    other = write_ramp(tmp_path / "other.wav", 100_001, 3 * LENGTH)
    drawn = [clips(one, other).draw(step) for step in range(8)]
    for clip in torch.cat(drawn).double():
        assert clip.shape == (2, LENGTH + 2 * MARGIN)
        assert torch.equal(clip[0], -clip[1])
        places = (clip[0] * 1e6).round()
        inside = places[MARGIN:-MARGIN]
        assert bool((inside > 0).all())
        assert torch.equal(inside - inside[0], torch.arange(LENGTH, dtype=torch.float64))
        first, last = (1, LENGTH) if inside[0] < 100_000 else (100_001, 100_000 + 3 * LENGTH)
        expected = inside[0] - MARGIN + torch.arange(len(places))
        expected[(expected < first) | (expected > last)] = 0
        assert torch.equal(places, expected)


def test_a_track_of_the_length_of_a_clip_is_a_clip(tmp_path: Path) -> None:
    clip = clips(write_ramp(tmp_path / "one.wav", 1, LENGTH)).draw(0)[0, 0].double()
    places = (clip * 1e6).round()
    assert torch.equal(places[MARGIN:-MARGIN], 1 + torch.arange(LENGTH, dtype=torch.float64))
    assert not places[:MARGIN].any()
    assert not places[-MARGIN:].any()


def test_all_positions_are_equally_likely(tmp_path: Path) -> None:
    one = write_ramp(tmp_path / "one.wav", 0, LENGTH + 99)
    other = write_ramp(tmp_path / "other.wav", 100_000, LENGTH + 299)
    source = clips(one, other, size=400)
    starts = torch.cat([source.draw(step)[:, 0, MARGIN] for step in range(2)]) * 1e6
    places = torch.where(starts > 99_000, starts - 100_000 + 100, starts).round()
    assert 0 <= float(places.min()) < 5
    assert 395 <= float(places.max()) < 400
    quarters = torch.histc(places, bins=4, min=0, max=400)
    assert bool(((quarters - 200).abs() < 60).all())  # five standard deviations


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_tracks_of_any_rate_are_resampled(tmp_path: Path, rate: int) -> None:
    time = np.arange(2 * rate) / rate
    tone = np.stack([np.sin(2 * np.pi * 1000 * time), np.cos(2 * np.pi * 440 * time)], axis=1)
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * tone, rate, subtype="FLOAT")
    drawn = clips(path).draw(3)[:, :, MARGIN:-MARGIN].double()
    seconds = torch.arange(LENGTH, dtype=torch.float64) / RATE
    for channel, hz in enumerate((1000, 440)):
        phase = 2 * torch.pi * hz * seconds
        basis = torch.stack([phase.sin(), phase.cos()], dim=1)
        fit = torch.linalg.lstsq(basis, drawn[:, channel].T).solution
        off = drawn[:, channel] - (basis @ fit).T
        assert float(off.square().mean().sqrt()) < 2e-4
        torch.testing.assert_close(
            fit.norm(dim=0), torch.full((8,), 0.5, dtype=torch.float64), atol=1e-3, rtol=0
        )


def test_a_batch_depends_on_its_step_and_seed_alone(tmp_path: Path) -> None:
    path = write_ramp(tmp_path / "a.wav", 1, 9 * LENGTH)
    source = clips(path)
    assert torch.equal(source.draw(5), clips(path).draw(5))
    assert not torch.equal(source.draw(5), source.draw(6))
    assert not torch.equal(source.draw(5), clips(path, seed=1).draw(5))


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_a_clip_of_a_compressed_track_equals_the_decoded_track(tmp_path: Path, suffix: str) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal((60_000, 2))
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, sound, 48_000)
    whole = torch.from_numpy(resample(read_all(path), 48_000, RATE)).unfold(1, 64, 1)
    for clip in clips(path).draw(0):
        apart = (whole - clip[:, None, 1000:1064]).abs().amax(dim=(0, 2))
        assert float(apart.min()) < 1e-4


@pytest.mark.parametrize("suffix", ["wav", "ogg"])
def test_a_long_track_is_never_held_in_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.zeros((60 * RATE, 2)), RATE)  # 11 MB in single precision
    source = clips(path, size=4)
    tracemalloc.start()
    source.draw(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_an_epoch_covers_all_tracks_that_are_long_enough(tmp_path: Path) -> None:
    paths = [write_ramp(tmp_path / f"{k}.wav", 1, 10 * LENGTH) for k in range(4)]
    short = write_ramp(tmp_path / "short.wav", 1, LENGTH - 1)
    source = clips(*paths, short)
    assert (len(source), source.per_epoch) == (4, 5)
    assert source.hours == pytest.approx(40 * LENGTH / RATE / 3600)
    with pytest.raises(InputError, match=r"0\.1 s of an example"):
        clips(short)
