import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, decibels, noise, song
from soundstage.spectra import AnalysisStream, ShortWindowSTFT, SynthesisStream

PAPER = ShortWindowSTFT(frame=1024, hop=300, length=1000)
SMALL = ShortWindowSTFT(frame=64, hop=19, length=60)


@given(length=st.integers(1, 400), hop=st.sampled_from([7, 16, 19, 30]))
def test_analysis_then_synthesis_is_the_identity_for_any_length(length: int, hop: int) -> None:
    stft, samples = ShortWindowSTFT(frame=64, hop=hop, length=60), noise(length, level=1.0)
    again = stft.synthesize(stft.analyze(samples), length)
    assert again.shape == samples.shape
    assert (again - samples).abs().max() < 1e-5


@pytest.mark.parametrize("length", [1, 299, 300, 301, 20_000])
def test_the_transform_of_the_paper_is_the_identity_to_rounding(length: int) -> None:
    samples = song(length) + 0.1
    again = PAPER.synthesize(PAPER.analyze(samples), length)
    assert decibels(again - samples, samples) < -130


def test_both_ways_agree_with_torch() -> None:
    samples = song(60 * 300)
    asked = {"window": torch.hann_window(1000), "win_length": 1000, "center": True}
    theirs = torch.stft(samples, 1024, 300, pad_mode="constant", return_complex=True, **asked)
    torch.testing.assert_close(PAPER.analyze(samples), theirs, rtol=0, atol=1e-4)
    changed = theirs * torch.linspace(0, 1, 61)
    back = torch.istft(changed, 1024, 300, length=60 * 300, **asked)
    torch.testing.assert_close(PAPER.synthesize(changed, 60 * 300), back, rtol=0, atol=1e-5)


@given(length=st.integers(1, 400), places=st.lists(st.integers(0, 400), max_size=6))
def test_streams_equal_the_whole(length: int, places: list[int]) -> None:
    samples = noise(length, level=1.0)
    analysis, synthesis = AnalysisStream(SMALL), SynthesisStream(SMALL)
    parts = [*map(analysis.push, cut(samples, places)), analysis.finish()]
    spectrogram = torch.cat(parts, dim=-1)
    torch.testing.assert_close(spectrogram, SMALL.analyze(samples), rtol=0, atol=1e-5)
    made = torch.cat([*map(synthesis.push, parts), synthesis.finish()], dim=-1)[:length]
    assert (made - samples).abs().max() < 1e-5


@pytest.mark.parametrize(("frame", "hop", "length"), [(64, 31, 60), (64, 0, 60), (64, 9, 61)])
def test_a_window_that_leaves_gaps_is_refused(frame: int, hop: int, length: int) -> None:
    with pytest.raises(ValueError, match="window"):
        ShortWindowSTFT(frame, hop, length)


def test_a_window_longer_than_its_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="no longer"):
        ShortWindowSTFT(64, 16, 66)
