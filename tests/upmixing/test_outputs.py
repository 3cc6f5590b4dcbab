"""What is written of mid and side folds down to the input in every format, at every level."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from making import read_all
from soundstage.audio import SoundFormat
from soundstage.upmixing import MidSide, Upmixer
from soundstage.upmixing.outputs import OutputBlocks
from tiny import UPMIXERS

RATE = 44_100
COMB = Upmixer(UPMIXERS["comb"], name="comb")

INTEGERS = [
    *((suffix, depth) for suffix in (".wav", ".rf64", ".w64", ".aiff", ".au", ".caf")
      for depth in ("8", "16", "24", "32")),
    *((".flac", depth) for depth in ("8", "16", "24")),
    *((suffix, depth) for suffix in (".mov", ".mka") for depth in ("16", "24", "32")),
    *((".m4a", depth) for depth in ("16", "24")),
]  # fmt: skip


def steps(path, bits):
    samples = read_all(path) * np.float64(1 << bits - 1)
    assert np.array_equal(samples, np.rint(samples))
    return samples.astype(np.int64)


def loud(bits, frames=3000, seed=0):
    """Random steps of all sizes, among them both ends of the range."""
    rng = np.random.default_rng(seed)
    full = 1 << bits - 1
    made = np.rint(full * rng.uniform(-1, 1, frames) * rng.uniform(0, 1, frames) ** 3)
    made[::500], made[100::500] = full - 1, -full
    return made.clip(-full, full - 1).astype(np.int64)


@pytest.mark.parametrize(("suffix", "depth"), INTEGERS)
def test_every_container_and_depth_folds_down_bit_for_bit(tmp_path, suffix, depth):
    """In 32 bits the room beside the mid passes int32; it wrapped, and the result was noise."""
    bits = int(depth)
    kind = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}[bits]
    source, target = tmp_path / "mono.wav", tmp_path / f"stereo{suffix}"
    mono = loud(bits) // 2
    soundfile.write(source, (mono << 32 - bits).astype(np.int32), RATE, subtype=kind)
    report = COMB.file(source, target, bit_depth=depth, gain_db=0, width=0.5)
    left, right = steps(target, bits)
    assert np.array_equal(left + right, 2 * mono)
    assert np.abs(left - right).max() > 0
    assert report.proven
    assert report.fold_down_error_db == -np.inf
    assert report.lines()[1].endswith("the input bit for bit")


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("encoding", ["PCM_{}", "ALAC_{}"])
@given(data=st.data())
def test_steps_at_the_edges_of_their_range_fold_down_exactly(bits, encoding, data):
    """Whatever the side is: where left and right would pass the range, the side gives way."""
    full = 1 << bits - 1
    whole = st.one_of(
        st.sampled_from([-full, -full + 1, -1, 0, 1, full - 2, full - 1]),
        st.integers(-full, full - 1),
    )
    mid = data.draw(arrays(np.int64, 12, elements=whole))
    side = data.draw(arrays(np.float64, 12, elements=st.floats(-1, 1)))
    blocks = OutputBlocks(
        SoundFormat("WAV", encoding.format(bits)), "stereo", gain=1.0, mid_fits=True, seed=0
    )
    left, right = blocks(MidSide(mid / full, side)).astype(np.int64)
    assert np.array_equal(left + right, 2 * mid)
    assert -full <= min(left.min(), right.min()) <= max(left.max(), right.max()) < full


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_a_gain_costs_no_more_than_rounding_and_dither(bits):
    """In single precision it cost half a step of 24 bits, and 64 of 32 bits."""
    full, gain = 1 << bits - 1, 0.7071
    mid = loud(bits) / full
    blocks = OutputBlocks(
        SoundFormat("WAV", f"PCM_{bits}"), "stereo", gain=gain, mid_fits=True, seed=1
    )
    side = np.zeros(mid.size, np.float32)
    written = blocks(MidSide(mid.astype(np.float32) if bits < 32 else mid, side))
    error = written.mean(axis=0) - gain * full * mid
    assert np.abs(error).max() <= 1.5
    assert np.abs(error).max() > 0.5


def test_doubles_fold_down_to_their_own_precision(tmp_path):
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, loud(24) / 2**23, RATE, subtype="PCM_24")
    report = COMB.file(source, target, bit_depth="double")
    assert report.fold_down_error_db < -300
    assert COMB.file(source, tmp_path / "f.wav", bit_depth="float").fold_down_error_db < -140


@pytest.mark.parametrize("depth", ["16", "float"])
def test_mid_and_side_and_the_side_alone_are_those_of_the_stereo(tmp_path, depth):
    source = tmp_path / "mono.wav"
    mono = loud(16) // 3
    soundfile.write(source, mono.astype(np.int16), RATE, subtype="PCM_16")
    made, reports = {}, {}
    for outputs in ("stereo", "mid-side", "side"):
        target = tmp_path / f"{outputs}.wav"
        reports[outputs] = COMB.file(source, target, bit_depth=depth, outputs=outputs)
        made[outputs] = read_all(target).astype(np.float64) * 2**15
    left, right = made["stereo"]
    mid, side = made["mid-side"]
    assert [each.gain_db for each in reports.values()] == [0, 0, 0]
    assert np.array_equal(mid, mono)
    assert np.abs((left - right) / 2 - side).max() <= (0 if depth == "16" else 2e-3)
    assert np.array_equal(made["side"][0], side)
    assert reports["mid-side"].fold_down_error_db == -np.inf
    assert reports["side"].fold_down_error_db is None
    assert reports["side"].proven
    assert "holds the side alone" in reports["side"].sentence()
    assert "holds mid and side" in reports["mid-side"].sentence()
    assert {each.width for each in reports.values()} == {reports["stereo"].width}


def test_the_gain_is_that_of_what_is_written(tmp_path):
    """Left and right of a loud input would clip; mid and side do not."""
    source = tmp_path / "mono.wav"
    soundfile.write(source, (loud(16) * 0.99).astype(np.int16), RATE, subtype="PCM_16")
    for outputs, turned_down in (("stereo", True), ("mid-side", False)):
        target = tmp_path / f"{outputs}.wav"
        report = COMB.file(source, target, outputs=outputs, width=0.7)
        assert (report.gain_db < 0) is turned_down
        assert np.abs(read_all(target)).max() <= 1


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@given(data=st.data())
def test_half_steps_of_a_stereo_input_keep_their_sum(bits, data):
    """(L+R)/2 of two whole numbers may be half a step; rounding it cost half of the noise floor."""
    full = 1 << bits - 1
    whole = st.integers(-full, full - 1)
    stereo = data.draw(arrays(np.int64, (2, 12), elements=whole))
    made = data.draw(arrays(np.float64, 12, elements=st.floats(-1, 1)))
    form, own = SoundFormat("WAV", f"PCM_{bits}"), (stereo[0] - stereo[1]) / (2 * full)
    for side, fits in ((made, False), (own, True)):
        blocks = OutputBlocks(
            form, "stereo", gain=1.0, mid_fits=True, in_halves=True, side_fits=fits, seed=0
        )
        left, right = blocks(MidSide(stereo.sum(axis=0) / (2 * full), side)).astype(np.int64)
        assert np.array_equal(left + right, stereo.sum(axis=0))
        assert -full <= min(left.min(), right.min()) <= max(left.max(), right.max()) < full
    assert np.array_equal([left, right], stereo)
