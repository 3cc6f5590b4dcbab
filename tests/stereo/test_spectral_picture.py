import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels, noise, stereo_scene
from soundstage.stereo.compressed_stft import (
    COMPRESSED_TRANSFORM,
    from_compressed,
    limit_magnitude,
    to_compressed,
)


def test_the_picture_of_a_clip_has_the_paper_s_shape() -> None:
    clip = noise(2 * 218_400).reshape(2, -1)  # 9.1 s at 24 kHz
    assert to_compressed(COMPRESSED_TRANSFORM.analyze(clip)).shape == (4, 513, 729)


def test_channels_are_the_parts_of_left_and_then_of_right() -> None:
    spectrogram = COMPRESSED_TRANSFORM.analyze(stereo_scene(3000))
    picture = to_compressed(spectrogram)
    for row in range(2):
        parts = torch.complex(picture[2 * row], picture[2 * row + 1])
        # One real and positive factor: the phases are those of this row
        turned = parts * spectrogram[row].conj()
        assert float(turned.imag.abs().max()) < 1e-4
        assert float(turned.real.min()) >= 0


def test_sound_comes_back() -> None:
    sound = stereo_scene(8000)
    picture = to_compressed(COMPRESSED_TRANSFORM.analyze(sound))
    made = COMPRESSED_TRANSFORM.synthesize(from_compressed(picture), 8000)
    assert decibels(made - sound, sound) < -110


def test_full_scale_stays_within_the_range() -> None:
    loudest = torch.ones(1, 6000)
    picture = to_compressed(COMPRESSED_TRANSFORM.analyze(loudest))
    assert 0.9 < float(picture.norm(dim=0).max()) < 1
    assert torch.equal(limit_magnitude(picture), picture)


@given(seed=st.integers(0, 99), scale=st.floats(0.1, 1e4))
def test_what_no_sound_has_is_held_to_the_loudest(seed: int, scale: float) -> None:
    picture = scale * noise(4 * 5 * 3, seed=seed, level=1.0).reshape(4, 5, 3)
    held = limit_magnitude(picture)
    before, after = (each.unflatten(0, (2, 2)).norm(dim=1) for each in (picture, held))
    torch.testing.assert_close(after, before.clamp(max=1))
    shares = picture.unflatten(0, (2, 2)) / before[:, None]
    torch.testing.assert_close(held.unflatten(0, (2, 2)), shares * after[:, None])
    assert bool(from_compressed(picture).abs().max() < 790)
