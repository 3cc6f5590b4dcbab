import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import RATE, cut, noise, stereo_scene, tone
from soundstage.audio import Audio
from soundstage.evaluation.plots.image_analysis import (
    COLUMNS,
    DISPLAY,
    HIGHEST_HZ,
    LOWEST_HZ,
    ROWS,
    ColumnStore,
    GoniometerHistogram,
    analyze_image,
    row_weights,
)
from soundstage.stereo import encode_signal
from soundstage.stereo.encoding import BAND_EDGES

CENTER = DISPLAY // 2


@given(st.integers(1, 300), st.sampled_from([2, 8, 64]), st.lists(st.integers(0, 300), max_size=6))
def test_columns_are_means_of_equal_blocks_however_the_frames_are_cut(length, limit, places):
    frames = np.random.default_rng(0).standard_normal((3, length))
    store = ColumnStore(3, limit)
    for block in cut(frames, places):
        store.push(block)
    starts = range(0, length, store.stride)
    direct = np.stack([frames[:, i : i + store.stride].mean(axis=1) for i in starts], axis=1)
    assert store.means() == pytest.approx(direct)
    assert min(length, limit // 2) <= store.means().shape[1] <= limit


def test_an_odd_limit_cannot_merge_in_pairs():
    with pytest.raises(ValueError, match="even"):
        ColumnStore(1, 3)


def test_the_goniometer_counts_every_sample_once_as_its_range_grows():
    stereo = stereo_scene(RATE).numpy()
    rising = np.concatenate([stereo * gain for gain in (1e-3, 0.1, 3.0)], axis=1)
    together, apart = GoniometerHistogram(), GoniometerHistogram()
    together.push(rising)
    for block in np.array_split(rising, 30, axis=1):
        apart.push(np.pad(block, ((0, 0), (0, 100))))  # silence does not count
    assert together.picture(4.0).sum() == pytest.approx(rising.shape[1])
    assert np.array_equal(together.picture(4.0), apart.picture(4.0))
    assert apart.radius() == together.radius()


@pytest.mark.parametrize(
    ("left", "right", "row", "column"),
    [
        (0.5, 0.5, 0.5, 0.0),  # the center: mid, upwards
        (0.5, 0.0, 0.25, -0.25),  # left is on the left
        (0.0, 0.5, 0.25, 0.25),
        (0.5, -0.5, 0.0, -0.5),
    ],
)
def test_a_sample_lies_where_its_mid_and_side_are(left, right, row, column):
    count = GoniometerHistogram()
    count.push(np.array([[left], [right]]))
    picture = count.picture(1.0)
    at = np.argwhere(picture > 0.01).mean(axis=0)
    assert at == pytest.approx([CENTER + row * DISPLAY / 2, CENTER + column * DISPLAY / 2], abs=1)


def test_the_radius_holds_all_but_the_rarest_samples():
    count = GoniometerHistogram()
    mid = np.r_[np.full(99_999, 0.25), 1.0]
    count.push(np.stack([mid, mid]))
    assert count.radius() == pytest.approx(0.25, rel=0.02)
    assert count.picture(0.3).sum() == pytest.approx(99_999)


def test_a_silent_goniometer_is_empty():
    count = GoniometerHistogram()
    count.push(np.zeros((2, 100)))
    assert count.radius() == 0
    assert not count.picture(1.0).any()


@pytest.mark.parametrize("hz", [60, 12_000])
def test_a_tone_is_in_its_row_at_its_level(hz):
    source = tone(RATE, hz=hz, level=0.5).numpy()
    found = analyze_image(Audio(np.stack([source, 0 * source]), RATE))  # M = S
    middle = found.mid.shape[1] // 2
    expected = ROWS * np.log(hz / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ)
    assert abs(found.mid[:, middle].argmax() + 0.5 - expected) < max(5, 100 * 5 / hz)
    assert found.side[:, middle] == pytest.approx(found.mid[:, middle], rel=1e-3)
    if hz < 1000:  # rows as narrow as bins: the level of the sine but for the window
        assert 10 * np.log10(found.mid.max()) == pytest.approx(-12, abs=1.5)


def test_rows_are_means_over_all_bins():
    weights = row_weights().numpy()
    assert weights.sum(axis=1) == pytest.approx(np.ones(ROWS), abs=1e-5)
    hertz = np.arange(weights.shape[1]) * RATE / 4096
    inside = (hertz > LOWEST_HZ + 11) & (hertz < HIGHEST_HZ - 11)
    assert weights[:, inside].any(axis=0).all()


def test_the_maps_are_the_stereo_parameters():
    stereo = stereo_scene(2 * RATE)
    found = analyze_image(Audio(stereo.numpy(), RATE))
    parameters = encode_signal(stereo)
    assert found.iid == pytest.approx(parameters.iid.numpy(), abs=1e-3)
    assert found.coherence == pytest.approx(parameters.coherence.numpy(), abs=1e-4)
    bins = np.diff(BAND_EDGES)
    assert found.energy.shape == (len(bins), parameters.iid.shape[1])
    assert found.column_seconds == pytest.approx(1024 / RATE)


def test_a_long_file_has_no_more_columns_than_fit():
    samples = noise(60 * 8_000).numpy()
    found = analyze_image(Audio(samples[None], 8_000))
    assert COLUMNS / 2 <= found.mid.shape[1] <= COLUMNS
    shown = found.mid.shape[1] * found.column_seconds
    assert shown == pytest.approx(60, abs=2 * found.column_seconds)
