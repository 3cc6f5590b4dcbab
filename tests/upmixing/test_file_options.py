"""Rate, gain and codecs of a result, from the options of its files."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from making import music, read_all
from soundstage.audio import Audio, open_sound, resample
from soundstage.errors import OptionError, SoundstageError
from soundstage.upmixing import Controls, FileOptions, Upmixer, measure_gain
from soundstage.upmixing.file_options import Codec, parse_codec
from tiny import UPMIXERS

COMB = Upmixer(UPMIXERS["comb"], name="comb")


def write(path, sound, rate=44_100, subtype="PCM_16"):
    soundfile.write(path, sound, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"outputs": "5.1"}, r"There is no kind of `outputs` '5\.1': choose one of stereo"),
        ({"rate": 4000}, "`rate` must be from 8,000 to 192,000 Hz, not 4,000"),
        ({"rate": 44_100.5}, "`rate` must be a whole number"),
        ({"rate": True}, "`rate` must be a whole number"),
        ({"bit_rate": "128"}, "`bit_rate` must be a whole number"),
        ({"gain_db": "loud"}, "`gain_db` must be a number"),
        ({"gain_db": float("nan")}, "`gain_db` must be from -120 to 120"),
        ({"gain_db": -130}, "`gain_db` must be from -120 to 120"),
        ({"codec_checks": ("mp3",)}, "such as mp3:128"),
        ({"codec_checks": ("wma:64",)}, "mp3, aac, opus, vorbis"),
        ({"codec_checks": ("mp3:1e3",)}, "such as mp3:128"),
        ({"codec_checks": ("mp3:" + "9" * 5000,)}, "from 8 to 512"),
        ({"codec_checks": ("mp3:128",), "outputs": "side"}, "left and right alone"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(wrong, reason):
    with pytest.raises(OptionError, match=reason) as caught:
        FileOptions(**wrong)
    assert len(str(caught.value)) < 250


def test_options_take_numbers_of_numpy():
    options = FileOptions(rate=np.int64(48_000), bit_rate=np.int32(96_000), gain_db=np.float32(-3))
    assert (options.rate, options.bit_rate, options.gain_db) == (48_000, 96_000, -3)
    assert parse_codec(" OPUS:96 ") == Codec("opus", 96_000)


@pytest.mark.parametrize(("suffix", "depth"), [(".wav", "float"), (".flac", "24")])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_result_at_another_rate_folds_down_to_the_resampled_input(tmp_path, suffix, depth, rate):
    source = write(tmp_path / "mono.wav", 0.3 * music(1, 66_150)[0], 44_100)
    target = tmp_path / f"stereo{suffix}"
    report = COMB.file(source, target, rate=rate, bit_depth=depth)
    mono = resample(read_all(source), 44_100, rate)
    made = read_all(target)
    assert open_sound(target).rate == report.rate == rate
    assert made.shape == (2, mono.shape[1]) == (2, report.frames)
    assert np.abs(made.mean(axis=0) - mono[0]).max() <= (1e-7 if depth == "float" else 1.6 / 2**23)
    assert report.proven
    resampled = f"resampled from 44,100 to {rate:,} Hz"
    assert (resampled in report.lines()[0]) is (rate != 44_100)


@pytest.mark.parametrize(
    ("suffix", "rate", "written"),
    [(".opus", 44_100, 48_000), (".opus", 8_000, 8_000), (".webm", 22_050, 24_000),
     (".mp3", 96_000, 48_000), (".mp3", 47_000, 48_000), (".flac", 47_000, 47_000)],
)  # fmt: skip
def test_a_format_gets_the_next_rate_that_it_holds(tmp_path, suffix, rate, written):
    source = write(tmp_path / "mono.wav", 0.3 * music(1, rate, rate=rate)[0], rate)
    report = COMB.file(source, tmp_path / f"a{suffix}")
    assert (report.source_rate, report.rate, report.frames) == (rate, written, written)
    assert report.proven
    assert report.fold_down_error_db < -10
    if rate != written:
        assert f"resampled from {rate:,} to {written:,} Hz" in report.sentence()


def test_a_rate_that_the_format_does_not_hold_is_refused(tmp_path):
    source = write(tmp_path / "mono.wav", 0.3 * music(1, 4_000)[0])
    with pytest.raises(SoundstageError, match="48,000"):
        COMB.file(source, tmp_path / "a.opus", rate=44_100)
    assert not (tmp_path / "a.opus").exists()


def test_stems_keep_their_balance_with_the_gain_of_the_loudest(tmp_path):
    """Each by its own gain they would be turned down by different amounts."""
    levels = {"drums": 0.999, "bass": 0.9, "keys": 0.1}
    paths, gains, load = {}, {}, lambda: UPMIXERS["comb"]
    options = FileOptions(Controls(width=1.0))
    for number, (name, level) in enumerate(levels.items()):
        stem = np.sign(np.roll(music(1, 40_000)[0], 5_000 * number))
        paths[name] = write(tmp_path / f"{name}.wav", level * stem)
        targets = {7: tmp_path / f"{name}-stereo.wav"}
        gains[name] = measure_gain(paths[name], targets, load, options)
        alone = COMB.file(paths[name], tmp_path / "alone.wav", seed=7, width=1.0, overwrite=True)
        assert alone.gain_db == pytest.approx(gains[name], abs=1e-9)
    assert gains["drums"] < gains["bass"] < gains["keys"] == 0
    for name, path in paths.items():
        target = tmp_path / f"{name}-stereo.wav"
        report = COMB.file(path, target, seed=7, width=1.0, gain_db=min(gains.values()))
        mono, made = read_all(path)[0], read_all(target).mean(axis=0)
        gain = 20 * np.log10(np.dot(made, mono) / np.dot(mono, mono))
        assert gain == pytest.approx(min(gains.values()), abs=0.01)
        assert f"gain {gain:.2f} dB as requested" in report.sentence()


def test_takes_share_the_gain_that_the_widest_needs(tmp_path):
    source = write(tmp_path / "mono.wav", 0.999 * np.sign(music(1, 30_000)[0]))
    targets = {seed: tmp_path / f"{seed}.wav" for seed in range(3)}
    options = FileOptions(Controls(width=1.0))
    every = measure_gain(source, targets, lambda: UPMIXERS["comb"], options)
    each = [
        measure_gain(source, {seed: path}, lambda: UPMIXERS["comb"], options)
        for seed, path in targets.items()
    ]
    assert every == min(each) < 0


def test_floats_need_no_gain_and_take_any(tmp_path):
    source = write(tmp_path / "mono.wav", 0.5 * music(1, 9_000)[0], subtype="FLOAT")
    target = tmp_path / "a.wav"
    assert measure_gain(source, {0: target}, lambda: UPMIXERS["comb"], FileOptions()) == 0
    report = COMB.file(source, target, gain_db=20)
    assert report.gain_db == pytest.approx(20)
    assert np.abs(read_all(target).mean(axis=0) - 10 * read_all(source)[0]).max() < 1e-6


def test_a_gain_that_would_clip_is_refused_with_the_largest_one(tmp_path):
    source = write(tmp_path / "mono.wav", 0.99 * music(1, 9_000)[0] / 3)
    with pytest.raises(OptionError, match="would clip with `gain_db` 30: give ") as caught:
        COMB.file(source, tmp_path / "a.flac", gain_db=30)
    assert not (tmp_path / "a.flac").exists()
    largest = float(str(caught.value).rpartition("give ")[2].split()[0])
    report = COMB.file(source, tmp_path / "a.flac", gain_db=largest)
    assert report.true_peak_db < 0.01
    assert report.fold_down_error_db < -80


@given(
    exponent=st.integers(-46, 38),
    start=st.integers(0, 9_000),
    name=st.sampled_from(["comb", "decorrelate", "nearest"]),
    form=st.sampled_from([(".wav", "float"), (".flac", None), (".ogg", None)]),
)
def test_no_magnitude_of_samples_makes_a_number_that_is_not_finite(
    tmp_path_factory, exponent, start, name, form
):
    """From about 1e18 up, sums of squares overflowed: NaN in a float file, with exit 0."""
    suffix, depth = form
    folder = tmp_path_factory.mktemp("level")
    with np.errstate(over="ignore"):
        part = music(1, 12_000)[0, start : start + 3_000]
        sound = (part * 10.0**exponent).astype(np.float32)
    source, target = write(folder / "a.wav", sound, subtype="FLOAT"), folder / f"b{suffix}"
    upmixer, peak = Upmixer(UPMIXERS[name]), np.abs(sound).max()
    if peak <= 2e9:  # left and right may be up to five times louder
        report = upmixer.file(source, target, bit_depth=depth)
        assert np.isfinite(read_all(target)).all()
        assert report.fold_down_error_db < 100
        assert np.isfinite(report.width)
    elif peak > 1e10 or not np.isfinite(peak):
        with pytest.raises(SoundstageError, match=r"beyond full scale|not finite"):
            upmixer.file(source, target, bit_depth=depth)
        assert not target.exists()


def test_a_sound_beyond_200_db_is_refused_by_every_entry_point(tmp_path):
    source = write(tmp_path / "mono.wav", np.array([0, 1e10, 3e10]), subtype="DOUBLE")
    for refused in (
        lambda: COMB(source),
        lambda: COMB(Audio([0.0, 2e10], 44_100)),
        lambda: COMB.file(source, tmp_path / "a.wav"),
        lambda: Audio.read(source),
    ):
        with pytest.raises(
            SoundstageError, match=r"200 dB and more beyond full scale, from 0\.000"
        ):
            refused()
