import json
import math

import numpy as np
import pytest
import soundfile
import torch

from sounds import RATE, noise, song, stereo_scene, tone
from soundstage.audio import Audio
from soundstage.errors import InputError
from soundstage.metrics import (
    analysis,
    analyze,
    channel_correlation,
    iid_fluctuation,
    normalized_width,
    phase_correlation,
)
from soundstage.stereo import TRANSFORM, band_sums, encode_signal


def sound(*channels, rate=RATE):
    return Audio(np.stack([np.asarray(channel, np.float32) for channel in channels]), rate)


def band_at(result, hz):
    return next(band for band in result.bands if band.low_hz <= hz < band.high_hz)


def to_json(result):
    return json.loads(json.dumps(result.as_dict(), allow_nan=False))


def test_a_panned_tone_has_its_level_difference_everywhere():
    source = tone(3 * RATE, hz=1000, level=0.5)
    result = analyze(sound(source, 0.5 * source))
    assert result.balance_db == pytest.approx(6.0206, abs=1e-3)
    assert result.width == pytest.approx(2 / 3, rel=1e-5)  # M = 3/4, S = 1/4
    assert result.side_to_mid_db == pytest.approx(-9.5424, abs=1e-3)
    assert result.channel_correlation == pytest.approx(1)
    assert result.sample_peak_db == pytest.approx(-6.0206, abs=0.01)
    assert result.true_peak_db == pytest.approx(-6.0206, abs=0.05)
    assert result.rms_db == pytest.approx(10 * math.log10((0.125 + 0.03125) / 2), abs=1e-3)
    band = band_at(result, 1000)
    assert band.iid_db == pytest.approx(6.0206, abs=1e-3)
    assert band.iid_spread_db == pytest.approx(0, abs=0.02)
    assert band.coherence == pytest.approx(1, abs=1e-5)
    assert band.energy_share > 0.99
    assert result.image == "stereo"


def test_swapped_channels_have_opposite_signs():
    left, right = stereo_scene(2 * RATE)
    one, other = analyze(sound(left, right)), analyze(sound(right, left))
    assert one.balance_db > 0.5
    assert other.balance_db == pytest.approx(-one.balance_db)
    assert other.width == pytest.approx(one.width)
    for ours, theirs in zip(one.bands, other.bands, strict=True):
        assert theirs.iid_db == pytest.approx(-ours.iid_db, abs=1e-4)
        assert theirs.coherence == pytest.approx(ours.coherence, abs=1e-6)


def test_independent_noise_is_wide_and_incoherent():
    result = analyze(sound(noise(5 * RATE), noise(5 * RATE, seed=1)))
    assert result.width == pytest.approx(2, abs=0.02)
    assert result.channel_correlation == pytest.approx(0, abs=0.01)
    assert result.phase_correlation == pytest.approx(1, abs=0.01)
    for band in result.bands[10:]:
        assert abs(band.iid_db) < 0.3
        assert abs(band.coherence) < 0.1
    widths = np.array([band.high_hz - band.low_hz for band in result.bands])
    shares = np.array([band.energy_share for band in result.bands])
    assert shares.sum() == pytest.approx(1)
    assert shares[10:] == pytest.approx((widths / widths.sum())[10:], rel=0.1)


@pytest.mark.parametrize(("side_db", "dual_mono"), [(-61, True), (-59, False)])
def test_dual_mono_is_a_side_60_db_below_the_mid(side_db, dual_mono):
    mid, side = noise(RATE), noise(RATE, seed=1)
    side = side * 10 ** (side_db / 20) * mid.norm() / side.norm()
    result = analyze(sound(mid + side, mid - side))
    assert result.side_to_mid_db == pytest.approx(side_db, abs=0.05)
    assert result.dual_mono is dual_mono
    assert result.image == ("dual mono" if dual_mono else "stereo")


def test_equal_channels_have_no_side_at_all():
    source = song(RATE)
    result = analyze(sound(source, source))
    assert (result.dual_mono, result.width, result.side_to_mid_db) == (True, 0, -math.inf)
    assert result.iid_fluctuation_db == 0
    assert to_json(result)["side_to_mid_db"] is None


def test_inverted_channels_have_no_mid():
    source = noise(RATE)
    result = analyze(sound(source, -source))
    assert result.width == math.inf
    assert result.side_to_mid_db == math.inf
    assert result.channel_correlation == pytest.approx(-1)
    assert result.phase_correlation == pytest.approx(2)
    assert not result.dual_mono
    assert all(band.coherence == pytest.approx(-1, abs=1e-3) for band in result.bands)
    assert to_json(result)["width"] is None


def test_hard_panned_bands_are_clipped_to_50_db():
    result = analyze(sound(tone(RATE, hz=1000, level=0.5), torch.zeros(RATE)))
    assert band_at(result, 1000).iid_db == pytest.approx(50)
    assert result.balance_db == math.inf


def test_silence_has_levels_and_no_image():
    result = analyze(sound(torch.zeros(RATE), torch.zeros(RATE)))
    assert (result.true_peak_db, result.rms_db) == (-math.inf, -math.inf)
    assert (result.dual_mono, result.width, result.channel_correlation) == (True, 0, 1)
    assert math.isnan(result.balance_db)
    assert math.isnan(result.side_to_mid_db)
    written = to_json(result)
    assert written["true_peak_db"] is None
    assert {band["iid_db"] for band in written["bands"]} == {None}
    assert {band["energy_share"] for band in written["bands"]} == {0}


def test_a_mono_file_is_measured_and_is_not_dual_mono(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, song(RATE).numpy(), RATE, subtype="PCM_24")
    result = analyze(path)
    assert (result.channels, result.image, result.dual_mono) == (1, "mono", False)
    assert (result.width, result.channel_correlation, result.balance_db) == (0, 1, 0)
    assert result.format == "WAV PCM_24"
    assert all(band.iid_db == 0 and band.coherence > 0.9999 for band in result.bands)


def test_all_values_match_a_direct_computation():
    stereo = stereo_scene(4 * RATE)
    samples = stereo.numpy()
    result = analyze(sound(*stereo))
    assert (result.frames, result.duration, result.rate) == (4 * RATE, 4.0, RATE)
    assert result.width == pytest.approx(normalized_width(stereo).item())
    assert result.channel_correlation == pytest.approx(np.corrcoef(samples)[0, 1])
    assert result.channel_correlation == pytest.approx(channel_correlation(stereo).item())
    assert result.phase_correlation == pytest.approx(phase_correlation(stereo).item())
    mean_square = np.mean(samples.astype(float) ** 2)
    assert result.rms_db == pytest.approx(10 * math.log10(mean_square))
    assert result.sample_peak_db == pytest.approx(20 * math.log10(np.abs(samples).max()))
    assert result.true_peak_db >= result.sample_peak_db

    parameters = encode_signal(stereo)
    assert result.iid_fluctuation_db == pytest.approx(iid_fluctuation(parameters.iid), rel=1e-5)
    energy = band_sums(TRANSFORM.analyze(stereo).abs().square().sum(dim=0)).double().numpy()
    for row, band in enumerate(result.bands):
        iid, coherence = parameters.iid[row].numpy(), parameters.coherence[row].numpy()
        mean = np.average(iid, weights=energy[row])
        spread = np.sqrt(np.average((iid - mean) ** 2, weights=energy[row]))
        assert band.iid_db == pytest.approx(mean, abs=1e-4)
        assert band.iid_spread_db == pytest.approx(spread, abs=1e-3)
        assert band.coherence == pytest.approx(np.average(coherence, weights=energy[row]), abs=1e-5)
        assert band.energy_share == pytest.approx(energy[row].sum() / energy.sum(), rel=1e-4)


def test_a_pause_does_not_count_in_the_bands():
    source = tone(RATE, hz=1000, level=0.5)
    alone = analyze(sound(source, 0.5 * source))
    pause = torch.zeros(5 * RATE)
    paused = analyze(sound(torch.cat([source, pause]), torch.cat([0.5 * source, pause])))
    assert band_at(paused, 1000).iid_db == pytest.approx(band_at(alone, 1000).iid_db, abs=1e-3)


def test_a_file_shorter_than_all_filters_is_analyzed():
    source = noise(300, level=0.3)
    result = analyze(sound(source, 0.5 * source, rate=48_000))
    assert all(band.iid_db == pytest.approx(6.0206, abs=1e-2) for band in result.bands)


def test_the_true_peak_lies_between_the_samples():
    quarter = torch.tensor([0.5, 0.5, -0.5, -0.5]).repeat(250)  # a sine of 0.5·√2 at a quarter
    result = analyze(sound(quarter))
    assert result.sample_peak_db == pytest.approx(-6.02, abs=0.01)
    assert result.true_peak_db > -3.5


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_files_and_blocks_have_the_same_result(rate, tmp_path, monkeypatch):
    samples = stereo_scene(7 * 8_000).numpy()
    path = tmp_path / "scene.wav"
    soundfile.write(path, samples.T, rate, subtype="FLOAT")
    whole = to_json(analyze(Audio(samples, rate)))
    monkeypatch.setattr(analysis, "BLOCK_SECONDS", 0.1)
    cut = to_json(analyze(path))
    assert cut.pop("format") == "WAV FLOAT"
    whole.pop("format")
    for ours, theirs in zip(cut.pop("bands"), whole.pop("bands"), strict=True):
        assert ours == {name: pytest.approx(x, abs=2e-3) for name, x in theirs.items()}
    assert cut == {
        name: pytest.approx(x, rel=1e-4) if isinstance(x, float) else x for name, x in whole.items()
    }


def test_bands_above_the_rate_of_the_file_are_empty():
    result = analyze(sound(noise(16_000), noise(16_000, seed=1), rate=8_000))
    assert all(math.isnan(band.iid_db) for band in result.bands if band.low_hz > 4_000)
    assert all(math.isfinite(band.iid_db) for band in result.bands if band.high_hz < 4_000)


def test_json_has_a_fixed_set_of_names():
    written = to_json(analyze(sound(noise(RATE), noise(RATE, seed=1))))
    assert set(written) == {
        *("rate", "channels", "frames", "duration", "format", "true_peak_db", "sample_peak_db"),
        *("rms_db", "dual_mono", "width", "channel_correlation", "phase_correlation"),
        *("iid_fluctuation_db", "balance_db", "side_to_mid_db", "bands", "image"),
        *("kind", "content", "noise", "alignment", "hard_panned_share"),
    }
    assert len(written["bands"]) == 34
    assert {name for band in written["bands"] for name in band} == {
        *("low_hz", "high_hz", "iid_db", "iid_spread_db", "coherence", "energy_share")
    }
    edges = [band["low_hz"] for band in written["bands"]] + [written["bands"][-1]["high_hz"]]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (0, RATE / 2)


def test_progress_rises_to_one():
    reported = []
    analyze(sound(noise(12 * RATE)), progress=reported.append)
    assert reported == sorted(reported)
    assert len(reported) > 1
    assert reported[-1] == 1


def test_more_than_two_channels_are_refused(tmp_path):
    path = tmp_path / "surround.wav"
    soundfile.write(path, np.zeros((100, 6)), RATE)
    with pytest.raises(InputError, match=r"surround\.wav has 6 channels"):
        analyze(path)


def test_every_kind_of_source_has_the_same_analysis(tmp_path):
    samples = stereo_scene(RATE).numpy()
    path = tmp_path / "scene.wav"
    soundfile.write(path, samples.T, RATE, subtype="FLOAT")
    wanted = analyze(path).width
    with path.open("rb") as file:
        for source in (str(path), file, Audio(samples, RATE), (samples.T, RATE)):
            assert analyze(source).width == pytest.approx(wanted, rel=1e-6)


def test_an_empty_sound_is_refused():
    with pytest.raises(InputError, match="empty"):
        analyze(sound([]))
