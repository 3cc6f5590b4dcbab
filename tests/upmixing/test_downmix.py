"""What becomes of the channels of an input, and that the facts about it reach the result."""

import numpy as np
import pytest
import torch

import soundstage
from sounds import RATE, noise, song
from soundstage.audio import open_sound
from soundstage.errors import InputError, OptionError
from soundstage.metrics.content import Content
from soundstage.upmixing import downmix as module
from soundstage.upmixing.downmix import inspect_channels, mid_blocks
from soundstage.upmixing.file_options import FileOptions

MONO = song(3 * RATE).numpy()


class Identity:
    """A method with the mid as its side."""

    rate, n_outputs = RATE, 1

    def stream(self, seeds: list[int]) -> "Identity":
        return self

    def push(self, mid: torch.Tensor) -> torch.Tensor:
        return mid[None, None]

    def finish(self) -> torch.Tensor:
        return torch.zeros(1, 1, 0)


LATE = np.stack([MONO[4:], MONO[:-4]])  # right is four samples later
STEREO = np.stack([MONO, noise(3 * RATE, seed=5).numpy()])


def inspected(samples: np.ndarray, **options):
    with open_sound((samples, RATE)) as sound:
        channels = inspect_channels(sound, **{"downmix": False} | options)
        return channels, np.concatenate(list(mid_blocks(sound, channels)))


def test_two_channels_of_one_recording_with_a_lag_are_never_summed_silently() -> None:
    with pytest.raises(InputError, match=r"right is 4\.0 samples .* later.*`align`.*`downmix`"):
        inspected(LATE)
    folded, _ = inspected(LATE, downmix=True)
    assert folded.warning
    assert "4.0 samples" in folded.facts[0]
    assert "use `align`" in folded.facts[0]
    assert inspected(STEREO, downmix=True)[0].facts == ()


@pytest.mark.parametrize("mix", ["mean", "best"])
def test_aligned_channels_are_the_recording(mix: str) -> None:
    channels, mid = inspected(LATE, align=True, mix=mix)
    assert channels.aligned
    assert not channels.identical
    assert mid.size == LATE.shape[1]
    assert np.abs(mid - MONO[4:])[1000:-1000].max() < 1e-3
    assert "aligned" in channels.facts[0]


def test_stereo_is_refused_with_and_without_align() -> None:
    with pytest.raises(InputError, match="stereo already"):
        inspected(STEREO)
    with pytest.raises(InputError, match="not one recording"):
        inspected(STEREO, align=True)
    with pytest.raises(InputError, match="not one recording"):
        inspected(np.stack([MONO, 0 * MONO]), align=True)


def test_mono_and_dual_mono_need_no_alignment() -> None:
    for samples in (MONO[None], np.stack([MONO, MONO])):
        channels, mid = inspected(samples, align=True)
        assert channels.identical
        assert channels.alignment is None
        assert np.array_equal(mid, MONO)


def test_a_mix_needs_align_and_a_name() -> None:
    with pytest.raises(OptionError, match="`align`"):
        FileOptions(mix="best")
    with pytest.raises(OptionError, match="one of mean, best"):
        soundstage.upmix((MONO, RATE), method="comb", align=True, mix="loudest")


def said_to_be(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(module.ContentMeter, "content", lambda self: Content(kind))


def width(**options) -> float:
    left, right = soundstage.upmix((MONO, RATE), method="comb", **options).samples
    return 2 * float(np.std(left - right) / np.std(left + right))


@pytest.mark.parametrize(
    ("kind", "limit"), [("speech", 0.3), ("solo", 0.3), ("music", 0.9), ("noise", 0.9)]
)
def test_the_default_width_is_limited_by_content(
    kind: str, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_to_be(monkeypatch, kind)
    assert 0.8 * limit < width() <= limit
    assert width(width=1) > 1  # an explicit width is obeyed


def test_width_0_is_dual_mono_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    said_to_be(monkeypatch, "speech")
    left, right = soundstage.upmix((MONO, RATE), method="comb", width=0).samples
    assert np.array_equal(left, right)
    assert np.array_equal(left, MONO)


def test_the_report_says_what_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    said_to_be(monkeypatch, "speech")
    target = tmp_path / "new.wav"
    report = soundstage.upmix_file((LATE, RATE), target, method="comb", align=True)
    assert report.content == "speech"
    assert report.lag == pytest.approx(4, abs=0.1)
    assert not report.downmixed
    text = report.sentence()
    assert "aligned (right is 4.0 samples (0.09 ms) later) and summed" in text
    assert "speech: width at most 0.3; use `width` 1 for the full width" in text


def test_noise_stays_in_the_middle_unless_it_is_to_be_spread() -> None:
    """Row 12 and 13 of what people ask: clicks and hiss."""
    pauses = np.arange(MONO.size) % RATE < 0.6 * RATE
    hiss = noise(MONO.size, seed=11, level=0.001).numpy()
    noisy = MONO * pauses + hiss
    noisy = np.concatenate([noisy] * 3)
    noisy[40_000] += 0.5

    def side_and_mid(**options):
        left, right = soundstage.upmix((noisy, RATE), method=Identity(), width=1, **options).samples
        return (left - right) / 2, (left + right) / 2

    quiet = np.tile(~pauses, 3)
    quiet &= np.roll(quiet, 4096) & np.roll(quiet, -4096)
    quiet[39_000:41_000] = False
    for options, low, high in (({}, -99, -20), ({"spread_noise": True}, -10, 3)):
        side, mid = side_and_mid(**options)
        level = 10 * np.log10((side[quiet] ** 2).mean() / (mid[quiet] ** 2).mean())
        assert low < level < high
        click = 20 * np.log10(np.abs(side[39_990:40_010]).max() / np.abs(mid[39_990:40_010]).max())
        assert (click < -20) == (not options)
        assert np.abs(mid - noisy).max() < 1e-6
