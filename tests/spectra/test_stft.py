import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, decibels, noise, song
from soundstage.spectra import STFT, AnalysisStream, ShortWindowSTFT, SynthesisStream

SMALL = STFT(frame=64, hop=16)
CODER = STFT(frame=4096, hop=1024)
cuts = st.lists(st.integers(0, 400), max_size=6)


@given(length=st.integers(1, 400), overlap=st.sampled_from([4, 8]))
def test_analysis_then_synthesis_is_the_identity_for_any_length(length: int, overlap: int) -> None:
    stft = STFT(frame=64, hop=64 // overlap)
    samples = noise(length, level=1.0)
    again = stft.synthesize(stft.analyze(samples), length)
    assert again.shape == samples.shape
    assert (again - samples).abs().max() < 5e-6


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 4096, 20_000])
def test_the_coders_transform_is_the_identity_to_rounding(length: int) -> None:
    samples = song(length) + 0.1
    again = CODER.synthesize(CODER.analyze(samples), length)
    assert decibels(again - samples, samples) < -130


@given(length=st.integers(1, 400))
def test_a_signal_has_the_announced_number_of_frames(length: int) -> None:
    assert SMALL.analyze(noise(length)).shape == (33, SMALL.frames(length))
    assert SMALL.frames(length) == -(-length // 16) + 1


def test_analysis_agrees_with_torch_stft() -> None:
    samples = song(16 * 1024)
    theirs = torch.stft(
        samples,
        4096,
        1024,
        window=torch.hann_window(4096),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    torch.testing.assert_close(CODER.analyze(samples), theirs, rtol=0, atol=1e-3)  # peak: 600


def test_analysis_agrees_with_scipy() -> None:
    samples = noise(20 * 64, level=1.0).numpy()
    window = scipy.signal.get_window("hann", 64)
    _, _, theirs = scipy.signal.stft(
        samples, window=window, nperseg=64, noverlap=48, padded=False, boundary="zeros"
    )
    ours = SMALL.analyze(torch.from_numpy(samples)).numpy()
    np.testing.assert_allclose(ours, theirs * window.sum(), atol=2e-5)


@given(length=st.integers(1, 400), places=cuts)
def test_streamed_analysis_equals_whole(length: int, places: list[int]) -> None:
    samples = noise(2 * length, level=1.0).reshape(2, length)
    stream = AnalysisStream(SMALL, (2,))
    parts = [*map(stream.push, cut(samples, places)), stream.finish()]
    torch.testing.assert_close(torch.cat(parts, dim=-1), SMALL.analyze(samples), rtol=0, atol=1e-5)


@given(length=st.integers(1, 400), places=st.lists(st.integers(0, 26), max_size=6))
def test_streamed_synthesis_equals_whole(length: int, places: list[int]) -> None:
    spectrogram = SMALL.analyze(noise(2 * length, level=1.0).reshape(2, length))
    stream = SynthesisStream(SMALL, (2,))
    parts = [*map(stream.push, cut(spectrogram, places)), stream.finish()]
    streamed = torch.cat(parts, dim=-1)[:, :length]
    torch.testing.assert_close(streamed, SMALL.synthesize(spectrogram, length), rtol=0, atol=1e-6)


def test_a_frame_is_returned_as_soon_as_its_samples_are_there() -> None:
    stream = AnalysisStream(SMALL)
    assert stream.push(torch.zeros(31)).shape[-1] == 0  # frame 0 ends at sample 31
    assert stream.push(torch.zeros(1)).shape[-1] == 1
    assert stream.push(torch.zeros(16)).shape[-1] == 1


def test_frame_t_is_centered_on_sample_t_times_hop() -> None:
    samples = torch.zeros(160)
    samples[5 * 16] = 1.0
    magnitudes = SMALL.analyze(samples).abs()[3]
    assert magnitudes.argmax() == 5
    assert magnitudes[5] == pytest.approx(1.0)
    assert magnitudes[4] == pytest.approx(magnitudes[6].item())


@given(length=st.integers(64, 300))
def test_a_constant_gain_on_the_spectrum_is_that_gain_on_the_sound(length: int) -> None:
    samples = noise(length, level=1.0)
    halved = SMALL.synthesize(0.5 * SMALL.analyze(samples), length)
    assert (halved - 0.5 * samples).abs().max() < 3e-6


def test_a_gain_that_jumps_between_frames_is_cross_faded() -> None:
    spectrogram = SMALL.analyze(torch.ones(640))
    spectrogram[:, 20:] = 0
    faded = SMALL.synthesize(spectrogram, 640)
    assert faded[:250].min() > 0.999
    assert faded[400:].abs().max() < 1e-6
    assert faded.diff().abs().max() < 0.05  # no step: a jump would be 1


@pytest.mark.parametrize(("frame", "hop"), [(65, 13), (64, 24), (64, 32), (64, 64)])
def test_a_frame_that_cannot_be_inverted_is_refused(frame: int, hop: int) -> None:
    with pytest.raises(ValueError, match="fourfold"):
        STFT(frame, hop)


PAPER = ShortWindowSTFT(frame=1024, hop=300, length=1000)
SHORT = ShortWindowSTFT(frame=64, hop=19, length=60)


@given(length=st.integers(1, 400), hop=st.sampled_from([7, 16, 19, 30]))
def test_short_windows_are_inverted_for_any_length(length: int, hop: int) -> None:
    stft, samples = ShortWindowSTFT(frame=64, hop=hop, length=60), noise(length, level=1.0)
    again = stft.synthesize(stft.analyze(samples), length)
    assert again.shape == samples.shape
    assert (again - samples).abs().max() < 1e-5


@pytest.mark.parametrize("length", [1, 299, 300, 301, 20_000])
def test_the_transform_of_the_paper_is_the_identity_to_rounding(length: int) -> None:
    samples = song(length) + 0.1
    again = PAPER.synthesize(PAPER.analyze(samples), length)
    assert decibels(again - samples, samples) < -130


def test_short_windows_match_torch() -> None:
    samples = song(60 * 300)
    options = {"window": torch.hann_window(1000), "win_length": 1000, "center": True}
    theirs = torch.stft(samples, 1024, 300, pad_mode="constant", return_complex=True, **options)
    torch.testing.assert_close(PAPER.analyze(samples), theirs, rtol=0, atol=1e-4)
    changed = theirs * torch.linspace(0, 1, 61)
    back = torch.istft(changed, 1024, 300, length=60 * 300, **options)
    torch.testing.assert_close(PAPER.synthesize(changed, 60 * 300), back, rtol=0, atol=1e-5)


@given(length=st.integers(1, 400), places=st.lists(st.integers(0, 400), max_size=6))
def test_streams_of_short_windows_equal_the_whole(length: int, places: list[int]) -> None:
    samples = noise(length, level=1.0)
    analysis, synthesis = AnalysisStream(SHORT), SynthesisStream(SHORT)
    parts = [*map(analysis.push, cut(samples, places)), analysis.finish()]
    spectrogram = torch.cat(parts, dim=-1)
    torch.testing.assert_close(spectrogram, SHORT.analyze(samples), rtol=0, atol=1e-5)
    made = torch.cat([*map(synthesis.push, parts), synthesis.finish()], dim=-1)[:length]
    assert (made - samples).abs().max() < 1e-5


@pytest.mark.parametrize(("frame", "hop", "length"), [(64, 31, 60), (64, 0, 60), (64, 9, 61)])
def test_a_window_that_leaves_gaps_is_refused(frame: int, hop: int, length: int) -> None:
    with pytest.raises(ValueError, match="window"):
        ShortWindowSTFT(frame, hop, length)


def test_a_window_longer_than_its_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="no longer"):
        ShortWindowSTFT(64, 16, 66)
