import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from making import read_all
from soundstage.audio.resampling import resample
from soundstage.errors import InputError
from soundstage.training.data.stereo_clips import StereoClips, stereo_parts

RATE = 24_000
LENGTH, AROUND = 2000, 100


def clips(*records: Path, length: int = LENGTH, size: int = 8, seed: int = 0) -> StereoClips:
    return StereoClips(records, length=length, around=AROUND, rate=RATE, size=size, seed=seed)


def write_ramp(path: Path, begin: int, frames: int) -> Path:
    """Left tells the place, from `begin` on; right is the same below 0."""
    ramp = (begin + np.arange(frames)) / 1e6
    soundfile.write(path, np.stack([ramp, -ramp], axis=1), RATE, subtype="DOUBLE")
    return path


def test_a_clip_is_what_stands_in_a_record_with_what_lies_around(tmp_path: Path) -> None:
    one = write_ramp(tmp_path / "one.wav", 1, LENGTH)
    other = write_ramp(tmp_path / "other.wav", 100_001, 3 * LENGTH)
    drawn = [clips(one, other).draw(step) for step in range(8)]
    for clip in torch.cat(drawn).double():
        assert clip.shape == (2, LENGTH + 2 * AROUND)
        assert torch.equal(clip[0], -clip[1])
        places = (clip[0] * 1e6).round()
        inside = places[AROUND:-AROUND]
        assert bool((inside > 0).all())
        assert torch.equal(inside - inside[0], torch.arange(LENGTH, dtype=torch.float64))
        first, last = (1, LENGTH) if inside[0] < 100_000 else (100_001, 100_000 + 3 * LENGTH)
        wanted = inside[0] - AROUND + torch.arange(len(places))
        wanted[(wanted < first) | (wanted > last)] = 0
        assert torch.equal(places, wanted)


def test_a_record_as_long_as_a_clip_is_one(tmp_path: Path) -> None:
    clip = clips(write_ramp(tmp_path / "one.wav", 1, LENGTH)).draw(0)[0, 0].double()
    places = (clip * 1e6).round()
    assert torch.equal(places[AROUND:-AROUND], 1 + torch.arange(LENGTH, dtype=torch.float64))
    assert not places[:AROUND].any()
    assert not places[-AROUND:].any()


def test_every_place_is_as_likely_as_any_other(tmp_path: Path) -> None:
    one = write_ramp(tmp_path / "one.wav", 0, LENGTH + 99)
    other = write_ramp(tmp_path / "other.wav", 100_000, LENGTH + 299)
    heard = clips(one, other, size=400)
    starts = torch.cat([heard.draw(step)[:, 0, AROUND] for step in range(2)]) * 1e6
    places = torch.where(starts > 99_000, starts - 100_000 + 100, starts).round()
    assert 0 <= float(places.min()) < 5
    assert 395 <= float(places.max()) < 400
    quarters = torch.histc(places, bins=4, min=0, max=400)
    assert bool(((quarters - 200).abs() < 60).all())  # five standard deviations


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_records_of_any_rate_come_at_that_of_the_clips(tmp_path: Path, rate: int) -> None:
    time = np.arange(2 * rate) / rate
    tone = np.stack([np.sin(2 * np.pi * 1000 * time), np.cos(2 * np.pi * 440 * time)], axis=1)
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * tone, rate, subtype="FLOAT")
    drawn = clips(path).draw(3)[:, :, AROUND:-AROUND].double()
    seconds = torch.arange(LENGTH, dtype=torch.float64) / RATE
    for channel, hz in enumerate((1000, 440)):
        sinusoidal_embedding = 2 * torch.pi * hz * seconds
        basis = torch.stack([sinusoidal_embedding.sin(), sinusoidal_embedding.cos()], dim=1)
        fit = torch.linalg.lstsq(basis, drawn[:, channel].T).solution
        off = drawn[:, channel] - (basis @ fit).T
        assert float(off.square().mean().sqrt()) < 2e-4
        torch.testing.assert_close(
            fit.norm(dim=0), torch.full((8,), 0.5, dtype=torch.float64), atol=1e-3, rtol=0
        )


def test_steps_and_seeds_draw_anew_and_always_the_same(tmp_path: Path) -> None:
    path = write_ramp(tmp_path / "a.wav", 1, 9 * LENGTH)
    heard = clips(path)
    assert torch.equal(heard.draw(5), clips(path).draw(5))
    assert not torch.equal(heard.draw(5), heard.draw(6))
    assert not torch.equal(heard.draw(5), clips(path, seed=1).draw(5))


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_a_compressed_record_gives_what_decoding_it_whole_gives(
    tmp_path: Path, suffix: str
) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal((60_000, 2))
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, sound, 48_000)
    whole = torch.from_numpy(resample(read_all(path), 48_000, RATE)).unfold(1, 64, 1)
    for clip in clips(path).draw(0):
        apart = (whole - clip[:, None, 1000:1064]).abs().amax(dim=(0, 2))
        assert float(apart.min()) < 1e-4


@pytest.mark.parametrize("suffix", ["wav", "ogg"])
def test_a_long_record_is_never_held_as_a_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.zeros((60 * RATE, 2)), RATE)  # 11 MB in single precision
    heard = clips(path, size=4)
    tracemalloc.start()
    heard.draw(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_an_epoch_hears_as_much_as_there_is(tmp_path: Path) -> None:
    paths = [write_ramp(tmp_path / f"{k}.wav", 1, 10 * LENGTH) for k in range(4)]
    short = write_ramp(tmp_path / "short.wav", 1, LENGTH - 1)
    heard = clips(*paths, short)
    assert (len(heard), heard.per_epoch) == (4, 5)
    assert heard.hours == pytest.approx(40 * LENGTH / RATE / 3600)
    with pytest.raises(InputError, match=r"0\.1 s of an example"):
        clips(short)


def write_silence(path: Path, channels: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((100, channels)), RATE)
    return path


def test_the_mixtures_of_musdb_are_learned_and_not_its_stems(tmp_path: Path) -> None:
    wanted = []
    for song in ("train/A", "train/B", "test/C"):
        for stem in ("drums", "vocals", "bass", "other"):
            write_silence(tmp_path / song / f"{stem}.wav")
        wanted.append(write_silence(tmp_path / song / "mixture.wav"))
    assert stereo_parts(tmp_path) == (wanted[:2], [], [])


def test_a_folder_valid_is_held_out_beside_a_folder_train(tmp_path: Path) -> None:
    learned = write_silence(tmp_path / "train" / "a.wav")
    held = write_silence(tmp_path / "valid" / "b.flac")
    mono = write_silence(tmp_path / "train" / "mono.wav", channels=1)
    write_silence(tmp_path / "test" / "c.wav")
    found = stereo_parts(tmp_path)
    assert found[:2] == ([learned], [held])
    assert len(found[2]) == 1
    assert str(mono) in found[2][0]
    assert stereo_parts(tmp_path / "train")[:2] == ([learned], [])


def test_stems_without_a_mix_are_refused(tmp_path: Path) -> None:
    write_silence(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text("file,song,stem\na.wav,A,drums\n")
    with pytest.raises(InputError, match="no whole record"):
        stereo_parts(tmp_path)
