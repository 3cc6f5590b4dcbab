import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import chord, cut, decibels, drums, noise, song, stereo_scene, tone
from soundstage.stereo import (
    BANDS,
    FRAME_RATE,
    TRANSFORM,
    DecoderStream,
    Parameters,
    TransientStream,
    decode_signal,
    dequantize,
    encode_signal,
    quantize,
    to_left_right,
    to_mid_side,
)

LENGTH = 44_100
AWAY_FROM_THE_ENDS = slice(4, -4)  # frames

REFERENCE_PLACES = [500, 1_500, 3_000, 6_000, 9_000, 11_999]
REFERENCE = {
    "prediction": [[0.056388, 0.061415, -0.028423, 0.012653, -0.003695, 0.013347]],
    "mixing": [
        [0.084046, 0.131977, -0.152605, 0.003249, -0.138581, 0.048323],
        [0.057334, 0.060699, -0.029517, 0.01446, -0.00488, 0.015248],
    ],
}


def moving(length: int) -> Parameters:
    """Another position and width in each band, drifting slowly, as models predict them."""
    seconds = torch.arange(TRANSFORM.frames(length)) / FRAME_RATE
    band = torch.arange(BANDS)[:, None]
    iid = 6 * torch.sin(0.9 * band + 0.7 * seconds) + 2 * torch.sin(3.1 * band)
    return Parameters(iid, 0.6 + 0.35 * torch.sin(0.5 * band + 0.3 * seconds))


def constant(length: int, iid: float, coherence: float) -> Parameters:
    shape = (BANDS, TRANSFORM.frames(length))
    return Parameters(torch.full(shape, iid), torch.full(shape, coherence))


def decoded(mid: torch.Tensor, parameters: Parameters, decoder: str) -> torch.Tensor:
    """Left and right."""
    rows = decode_signal(mid, parameters, decoder=decoder)
    return torch.stack(to_left_right(mid if decoder == "prediction" else rows[0], rows[-1]))


def streamed(mid: torch.Tensor, parameters: Parameters, places: list[int]) -> torch.Tensor:
    stream, done, parts = DecoderStream([0]), 0, []
    for block in [*cut(mid, places), None]:
        frames = stream.finish_analysis() if block is None else stream.analyze(block)
        now = slice(done, done + frames.shape[-1])
        parts.append(stream.decode(Parameters(*(values[None, :, now] for values in parameters))))
        done = now.stop
    return torch.cat([*parts, stream.finish()], dim=-1)[0]


@pytest.mark.parametrize("decoder", ["prediction", "mixing"])
@pytest.mark.parametrize("sound", [noise, song, lambda n: chord(n) + noise(n, level=0.02)])
def test_the_decoded_sound_has_the_given_parameters(sound, decoder: str) -> None:
    """Within 1 dB and 0.1 on average, as narrow bands leak into each other and attacks are dry;
    without bias, within 0.1 dB and 0.03."""
    expected = moving(LENGTH)
    found = encode_signal(decoded(sound(LENGTH), expected, decoder))
    level = (found.iid - expected.iid)[:, AWAY_FROM_THE_ENDS]
    coherence = (found.coherence - expected.coherence)[:, AWAY_FROM_THE_ENDS]
    assert level.abs().mean() < 1.0
    assert coherence.abs().mean() < 0.1
    assert level.mean().abs() < 0.1
    assert coherence.mean().abs() < 0.03


@pytest.mark.parametrize("decoder", ["prediction", "mixing"])
def test_a_coded_stereo_scene_keeps_its_parameters(decoder: str) -> None:
    """Through the quantizer: half a step of it and what the decoder adds."""
    scene = stereo_scene(LENGTH)
    mid, _ = to_mid_side(*scene)
    expected = encode_signal(scene)
    found = encode_signal(decoded(mid, dequantize(quantize(expected)), decoder))
    level = (found.iid - expected.iid)[:, AWAY_FROM_THE_ENDS]
    coherence = (found.coherence - expected.coherence)[:, AWAY_FROM_THE_ENDS]
    assert level.abs().mean() < 0.8
    assert coherence.abs().mean() < 0.06


def test_both_decoders_agree_on_the_parameters_of_their_sound() -> None:
    mid, expected = noise(LENGTH), moving(LENGTH)
    ours = encode_signal(decoded(mid, expected, "prediction"))
    theirs = encode_signal(decoded(mid, expected, "mixing"))
    assert (ours.iid - theirs.iid).abs().mean() < 0.1
    assert (ours.coherence - theirs.coherence).abs().mean() < 0.02


def test_prediction_keeps_the_mid_and_mixing_nearly() -> None:
    scene = stereo_scene(LENGTH)
    mid, _ = to_mid_side(*scene)
    errors = {}
    for decoder in ("prediction", "mixing"):
        left, right = decoded(mid, encode_signal(scene), decoder)
        errors[decoder] = decibels((left + right) / 2 - mid, mid)
    assert errors["prediction"] < -140
    assert -60 < errors["mixing"] < -30


@pytest.mark.parametrize("decoder", ["prediction", "mixing"])
def test_swapped_parameters_swap_the_direct_sound_of_left_and_right(decoder: str) -> None:
    mid, (iid, coherence) = song(20_000), constant(20_000, 7.0, 1.0)
    one = decoded(mid, Parameters(iid, coherence), decoder)
    other = decoded(mid, Parameters(-iid, coherence), decoder)
    torch.testing.assert_close(one.flip(0), other, rtol=0, atol=1e-5)
    assert one[0].norm() > 2 * one[1].norm()


def test_a_centered_coherent_sound_has_no_side() -> None:
    assert decode_signal(song(10_000), constant(10_000, 0.0, 1.0)).abs().max() == 0


def test_a_panned_sound_is_the_mid_times_a_gain() -> None:
    mid = song(20_000)
    side = decode_signal(mid, constant(20_000, 6.0, 1.0))[0]
    gain = (10**0.3 - 1) / (10**0.3 + 1)
    assert decibels(side - gain * mid, mid) < -110


def test_the_diffuse_part_is_silent_during_an_attack() -> None:
    mid = drums(LENGTH) + noise(LENGTH, seed=3, level=0.001)
    side = decode_signal(mid, constant(LENGTH, 0.0, 0.0))[0]  # nothing but diffuse
    attack = slice(22_050, 22_050 + 200)
    assert side[attack].norm() < 0.05 * mid[attack].norm()
    before = slice(22_050 - 2_048, 22_050 - 512)  # no echo of the drum ahead of it
    assert side[before].norm() < 1.5 * mid[before].norm() + 0.05 * mid[attack].norm()
    stream = TransientStream()
    gain = torch.cat([stream.push(mid), stream.finish()])
    assert torch.all(side[gain == 0] == 0)


@pytest.mark.parametrize("decoder", ["prediction", "mixing"])
@pytest.mark.parametrize("length", [1, 2, 255, 1_023, 1_024, 1_025, 5_000])
def test_as_many_samples_come_out_as_went_in(length: int, decoder: str) -> None:
    rows = decode_signal(noise(length), constant(length, 3.0, 0.5), decoder=decoder)
    assert rows.shape == (1 if decoder == "prediction" else 2, length)
    assert torch.isfinite(rows).all()


@given(
    length=st.integers(1, 30_000),
    places=st.lists(st.integers(0, 30_000), max_size=5),
)
def test_streamed_decoding_equals_whole(length: int, places: list[int]) -> None:
    """To rounding: float32, of a sound with peaks of about 1."""
    mid, parameters = song(length), moving(length)
    ours = streamed(mid, parameters, places)
    torch.testing.assert_close(ours, decode_signal(mid, parameters), rtol=0, atol=2e-6)


def test_a_seed_repeats_and_another_differs() -> None:
    mid, parameters = noise(20_000), constant(20_000, 0.0, 0.3)
    first = decode_signal(mid, parameters, seed=1)
    assert torch.equal(first, decode_signal(mid, parameters, seed=1))
    assert decibels(first - decode_signal(mid, parameters, seed=2), first) > -10


def test_silence_decodes_to_silence() -> None:
    for decoder in ("prediction", "mixing"):
        rows = decode_signal(torch.zeros(5_000), constant(5_000, 10.0, -0.5), decoder=decoder)
        assert torch.all(rows == 0)


def test_the_decoded_sound_matches_its_reference() -> None:
    """Reference samples of sines (no random numbers), decoded at seed 0. Within 1e-5,
    −80 dB of its rms: Fourier transforms round differently on other processors, by about 1e-7."""
    mid = chord(12_000) + tone(12_000, hz=97.0, level=0.2)
    for decoder, reference in REFERENCE.items():
        rows = decode_signal(mid, moving(12_000), decoder=decoder)
        found = rows[:, REFERENCE_PLACES]
        torch.testing.assert_close(found, torch.tensor(reference), rtol=0, atol=1e-5)


@pytest.mark.parametrize("decoder", ["prediction", "mixing"])
def test_takes_of_one_mid_are_those_decoded_alone(decoder: str) -> None:
    mid, seeds = song(60_000), [3, 0, 7]
    takes = [moving(60_000), constant(60_000, 6.0, 0.5), constant(60_000, -3.0, 0.2)]
    stream = DecoderStream(seeds, decoder=decoder)
    stream.analyze(mid)
    stream.finish_analysis()
    stacked = Parameters(*(torch.stack(values) for values in zip(*takes, strict=True)))
    together = torch.cat([stream.decode(stacked), stream.finish()], dim=-1)
    for seed, take, outputs in zip(seeds, takes, together, strict=True):
        assert torch.equal(outputs, decode_signal(mid, take, seed=seed, decoder=decoder))
