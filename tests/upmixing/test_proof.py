"""Results are read back before they get their names: what is not as it must be never appears."""

import numpy as np
import pytest
import soundfile
import torch

from making import music, read_all
from soundstage.audio import SoundFormat, SoundWriter
from soundstage.errors import InputError, OutputError
from soundstage.upmixing import Upmixer
from soundstage.upmixing.proof import Fold, FoldDown, Written, compare_sums, prove
from tiny import UPMIXERS

RATE = 44_100
COMB = Upmixer(UPMIXERS["comb"], name="comb")
STEREO = Fold("stereo", exact=True, free=False)


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, 0.5 * music(1, 60_000)[0], RATE, subtype="PCM_16")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def written_file(path, left, right, *, subtype="PCM_16"):
    """A stereo file of steps, and what was handed to its encoder."""
    bits = int(subtype.removeprefix("PCM_"))
    block = np.stack([left, right]).astype(np.int32)
    soundfile.write(path, block.T << 32 - bits, RATE, subtype=subtype, format="WAV")
    written = Written(SoundFormat("WAV", subtype), RATE, 2)
    written.add(block)
    return written


def as_signal(steps, bits=16):
    return lambda: iter(np.array_split(steps / 2 ** (bits - 1), 3))


def test_a_true_file_is_proven_whatever_the_blocks(tmp_path):
    mid, side = np.random.default_rng(0).integers(-9000, 9000, (2, 200_000))
    written = written_file(tmp_path / "a.wav", mid + side, mid - side)
    assert prove(tmp_path / "a.wav", tmp_path / "a", STEREO, as_signal(mid), written) == FoldDown(
        -np.inf
    )
    other = Written(written.form, RATE, 2)
    for start in range(0, 200_000, 777):
        part = slice(start, start + 777)
        other.add(np.stack([mid + side, mid - side])[:, part].astype(np.int32))
    assert other == written


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("one step", "does not fold down to its input, from frame 150,000 on"),
        ("short", "199,000 frames instead of 200,000"),
        ("side", "does not hold the samples that were written"),
        ("cut", "cannot be read back"),
        ("mono", "has 1 channels, not 2"),
        ("slow", "has 22,050 Hz instead of 44,100"),
    ],
)
def test_a_false_file_is_refused_in_a_sentence(tmp_path, kind, reason):
    mid, side = np.random.default_rng(0).integers(-9000, 9000, (2, 200_000))
    path, target = tmp_path / ".a.wav.part", tmp_path / "a.wav"
    written = written_file(path, mid + side, mid - side)
    if kind == "one step":
        mid[150_000] += 1
        written_file(path, mid + side, mid - side)
        mid[150_000] -= 1
    elif kind == "short":
        written_file(path, (mid + side)[:199_000], (mid - side)[:199_000])
    elif kind == "side":
        written_file(path, mid - side, mid + side)
    elif kind == "mono":
        soundfile.write(path, mid.astype(np.int16), RATE, format="WAV")
    elif kind == "slow":
        stereo = np.stack([mid + side, mid - side]).astype(np.int16)
        soundfile.write(path, stereo.T, RATE // 2, format="WAV")
    else:
        path.write_bytes(path.read_bytes()[:100_001])
    with pytest.raises(OutputError, match=reason) as caught:
        prove(path, target, STEREO, as_signal(mid), written)
    assert ".part" not in str(caught.value)
    assert str(target) in str(caught.value)


def test_rounding_and_dither_are_allowed_and_no_more(tmp_path):
    rng = np.random.default_rng(0)
    mid = rng.uniform(-9000, 9000, 50_000)
    fold = STEREO._replace(exact=False)
    for most, refused in ((1.5, False), (1.6, True)):
        made = np.rint(mid + rng.uniform(-1, 1, mid.size))
        made[7] = np.floor(mid[7]) + np.ceil(most - 0.5)
        error = made[7] - mid[7]
        mid[7] += error - most  # exactly this far from its step
        written = written_file(tmp_path / "a.wav", made, made)
        arguments = (tmp_path / "a.wav", tmp_path / "a", fold, as_signal(mid), written)
        if refused:
            with pytest.raises(OutputError, match="from frame 7 on"):
                prove(*arguments)
        else:
            assert -90 < prove(*arguments).error_db < -70


@pytest.mark.parametrize(("suffix", "depth"), [(".wav", None), (".wav", "float"), (".flac", None)])
def test_a_writer_that_spoils_a_sample_is_found_out(tmp_path, mono, monkeypatch, suffix, depth):
    """Nothing appears, and an existing file stays."""
    targets = [tmp_path / f"{take}{suffix}" for take in range(2)]
    targets[0].write_bytes(b"precious")
    inner = SoundWriter.write

    def spoil(writer, block):
        if writer.path == targets[1]:
            block = block.copy()
            block[0, 9] += 1 if block.dtype == np.int32 else 1e-4
        inner(writer, block)

    monkeypatch.setattr(SoundWriter, "write", spoil)
    with pytest.raises(OutputError, match="does not fold down"):
        COMB.file(mono, targets, seed=[0, 1], bit_depth=depth, overwrite=True)
    assert names(tmp_path) == [f"0{suffix}", "mono.wav"]
    assert targets[0].read_bytes() == b"precious"
    reports = COMB.file(mono, targets, seed=[0, 1], bit_depth=depth, overwrite=True, proof=False)
    assert [report.proven for report in reports] == [False, False]
    assert [report.fold_down_error_db for report in reports] == [None, None]


def test_an_error_of_the_source_during_the_proof_is_one_of_the_source(tmp_path, mono):
    def lost():
        raise InputError(f"{mono} is gone")
        yield

    written = written_file(tmp_path / "a.wav", *np.zeros((2, 100)))
    with pytest.raises(InputError, match=r"mono\.wav is gone"):
        prove(tmp_path / "a.wav", tmp_path / "a", STEREO, lost, written)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus", ".m4a", ".webm"])
def test_the_error_of_lossy_formats_is_measured(tmp_path, suffix):
    """The figure is that of the decoded file, as someone else would measure it."""
    source, target = tmp_path / "mono.ogg", tmp_path / f"stereo{suffix}"
    soundfile.write(source, 0.5 * music(1, 96_000, rate=48_000)[0], 48_000)
    report = COMB.file(source, target)
    wanted = read_all(source)[0]
    made = read_all(target).mean(axis=0)[: wanted.size]
    made = np.pad(made, (0, wanted.size - made.size))
    error = 10 * np.log10(np.sum((made - wanted) ** 2) / np.sum(wanted**2))
    assert report.fold_down_error_db == pytest.approx(error, abs=0.1)
    assert -80 < error < -12
    assert report.fold_down_lag == 0
    assert abs(report.loudness_difference) < 0.3
    assert not report.exact_fold_down
    assert f"error {error:.1f}"[:9] in report.lines()[1]


@pytest.mark.parametrize("lag", [-1500, -1, 0, 1, 1024, 2112])
def test_a_late_decoder_is_recognized(lag):
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(300_000) * np.repeat(rng.uniform(0, 1, 300), 1000)
    late = np.concatenate([np.zeros(max(lag, 0)), sound[max(-lag, 0) :]])
    late = late + 1e-3 * rng.standard_normal(late.size)

    def blocks(signal, size):
        return lambda: (signal[i : i + size] for i in range(0, signal.size, size))

    found = compare_sums(blocks(sound, 50_000), blocks(late, 33_333), RATE)
    assert found.lag == lag
    assert found.error_db == pytest.approx(-55, abs=2) or lag < 0  # its first samples are lost
    assert found.loudness == pytest.approx(0, abs=0.05)


def test_silence_stays_silence_and_has_no_error(tmp_path):
    source = tmp_path / "mono.wav"
    soundfile.write(source, np.zeros(50_000), 48_000, subtype="PCM_16")
    for suffix in (".wav", ".flac", ".ogg", ".webm"):
        report = COMB.file(source, tmp_path / f"a{suffix}")
        assert report.fold_down_error_db < 100  # over -200 dB
        assert np.abs(read_all(tmp_path / f"a{suffix}")).max() < 1e-4


class HalfMid:
    """A method, and its stream, that makes the mid half as loud and no side."""

    rate, n_outputs = RATE, 2

    def stream(self, seeds):
        return self

    def push(self, mid):
        return torch.stack([0.5 * mid, 0 * mid])[None]

    def finish(self):
        return torch.zeros(1, 2, 0)


def test_a_method_with_a_mid_of_its_own_is_measured_and_not_refused(tmp_path, mono):
    report = Upmixer(HalfMid()).file(mono, tmp_path / "a.wav")
    assert not report.exact_fold_down
    assert report.fold_down_error_db == pytest.approx(-6.02, abs=0.05)
    assert "the fold-down is not exact" in report.lines()[0]
