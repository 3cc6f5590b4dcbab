from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from soundstage.binaural.render.neural_weights import Calibration

from making_recordings import write_direct_recording
from soundstage.binaural.render.pose_encoding import (
    POSE_ENCODINGS,
    POSE_HOP,
    PoseEncoding,
    ear_delays,
    encode_poses,
)
from soundstage.corpora.binaural_speech import Chunks, Recording
from soundstage.errors import InputError
from soundstage.networks.backbones.neural_warp import warped
from soundstage.networks.backbones.pose_upsampling import upsampled
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    Heard,
    calibrate,
    heard,
    stacked,
)

SAMPLES, SIZE = 2000, 4
DISTANCES, LOUDNESS = (0.8, 1.6), 0.3


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    folder = tmp_path_factory.mktemp("recordings")
    for seed in (1, 2):
        write_direct_recording(
            folder / str(seed), 240, seed=seed, distances=DISTANCES, loudness=LOUDNESS
        )
    return [Recording(each) for each in sorted(folder.iterdir())]


def batches(
    recordings: list[Recording],
    view: PoseEncoding = "directions",
    *,
    gain: float = 0.0,
    seed: int = 5,
    calibration: Calibration | None = None,
) -> BinauralBatches:
    return BinauralBatches(
        recordings,
        calibration or calibrate(recordings, view),
        view=view,
        samples=SAMPLES,
        size=SIZE,
        gain=gain,
        seed=seed,
    )


@settings(max_examples=8)
@given(step=st.integers(0, 10_000), other=st.integers(0, 10_000))
def test_a_batch_is_the_same_whenever_it_is_asked_for(
    recordings: list[Recording], step: int, other: int
) -> None:
    drawn = batches(recordings, gain=6)
    first = drawn.draw(step)
    different = drawn.draw(other)
    again = batches(recordings, gain=6).draw(step)
    assert all(map(torch.equal, first, again))
    assert step == other or not torch.equal(first.mono, different.mono)


def test_a_seed_and_a_step_make_a_batch_of_their_own(recordings: list[Recording]) -> None:
    drawn = [batches(recordings, seed=seed).draw(step) for seed in (0, 1) for step in (0, 1)]
    examples = [each.tobytes() for batch in drawn for each in batch.ears.numpy()]
    assert len(set(examples)) == 4 * SIZE


@pytest.mark.parametrize("view", POSE_ENCODINGS)
def test_a_batch_is_what_a_network_takes(recordings: list[Recording], view: PoseEncoding) -> None:
    batch = batches(recordings, view, gain=6).draw(0)
    samples = MARGIN + SAMPLES
    rows = samples // POSE_HOP
    shapes = [(SIZE, samples), (SIZE, 7 if view == "published" else 10, rows), (SIZE, 2, rows)]
    assert [tuple(each.shape) for each in batch] == [*shapes, (SIZE, 2, samples)]
    assert {each.dtype for each in batch} == {torch.float32}


@pytest.mark.parametrize("view", POSE_ENCODINGS)
def test_a_stretch_is_told_with_its_poses(recordings: list[Recording], view: PoseEncoding) -> None:
    calibration = Calibration(7.0, 1.0, 1.0, 1.4)
    chunk = Chunks(recordings, MARGIN + SAMPLES).draw(5, 0)
    found = heard(chunk, calibration, view)
    rows = encode_poses(view, chunk.poses, (1.0, 1.4))
    np.testing.assert_allclose(found.view[0], rows, atol=1e-6)
    np.testing.assert_allclose(found.delays[0], ear_delays(chunk.poses.positions), rtol=1e-6)
    np.testing.assert_allclose(found.ears[0], 7 * chunk.binaural, rtol=1e-6)


def test_the_published_view_goes_with_sound_as_it_was_sent(recordings: list[Recording]) -> None:
    chunk = Chunks(recordings, MARGIN + SAMPLES).draw(5, 0)
    found = heard(chunk, Calibration(7.0, 1.0, 0.8, 1.6), "published")
    np.testing.assert_allclose(found.mono[0], 7 * chunk.mono, rtol=1e-6)


def test_our_view_goes_with_sound_by_the_law_of_distance_within_what_is_learned(
    recordings: list[Recording],
) -> None:
    chunk = Chunks(recordings, MARGIN + SAMPLES).draw(5, 0)
    found = heard(chunk, Calibration(7.0, 1.0, 1.0, 1.4), "directions").mono[0]
    times = (chunk.start + np.arange(len(chunk.mono))) / 48_000
    away = np.linalg.norm(chunk.recording.trajectory.positions_at(times), axis=1).clip(1.0, 1.4)
    known = slice(0, len(chunk.mono) - POSE_HOP)  # the last pose is held
    np.testing.assert_allclose(found[known], (7 * chunk.mono / away)[known], atol=1e-4, rtol=5e-3)


@pytest.mark.parametrize("step", range(4))
def test_warped_sound_at_the_level_of_its_distance_is_what_was_heard(
    recordings: list[Recording], step: int
) -> None:
    """The ears of these recordings hear just that; so poses, delays, levels and ears agree."""
    batch = batches(recordings, gain=6).draw(step)
    delays = upsampled(batch.delays.double(), POSE_HOP, batch.mono.shape[-1])
    times = torch.arange(batch.mono.shape[-1], dtype=torch.float64)
    made = LOUDNESS * warped(batch.mono, times - delays)
    error = (made - batch.ears)[..., MARGIN:-POSE_HOP]
    assert float(error.square().mean()) < 1e-4 * float(batch.ears.square().mean())
    swapped = (made.flip(1) - batch.ears)[..., MARGIN:-POSE_HOP]
    assert float(swapped.square().mean()) > 100 * float(error.square().mean())


def test_a_margin_is_longer_than_the_way_of_the_farthest_sound() -> None:
    assert ear_delays(np.array([[0.0, 2.5, 0.0]])).max() < MARGIN / 2


@settings(max_examples=8)
@given(gain=st.floats(0.1, 20), step=st.integers(0, 100))
def test_an_example_is_made_louder_as_a_whole_and_by_no_more_than_the_gain(
    recordings: list[Recording], gain: float, step: int
) -> None:
    plain, other = batches(recordings).draw(step), batches(recordings, gain=gain).draw(step)
    assert torch.equal(plain.view, other.view)
    assert torch.equal(plain.delays, other.delays)
    louder = other.mono.norm(dim=1) / plain.mono.norm(dim=1)
    torch.testing.assert_close(other.mono, louder[:, None] * plain.mono, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(other.ears, louder[:, None, None] * plain.ears, rtol=1e-4, atol=1e-6)
    assert float((20 * louder.log10()).abs().max()) <= gain + 1e-3
    assert len({round(each, 6) for each in louder.tolist()}) == SIZE


def test_gains_reach_as_far_up_as_down(recordings: list[Recording]) -> None:
    plain, other = batches(recordings), batches(recordings, gain=10)
    louder = torch.cat(
        [
            20 * (other.draw(step).mono.norm(dim=1) / plain.draw(step).mono.norm(dim=1)).log10()
            for step in range(25)
        ]
    )
    assert float(louder.min()) < -8
    assert float(louder.max()) > 8
    assert abs(float(louder.mean())) < 2


def test_an_epoch_has_as_many_steps_as_hear_everything_once(recordings: list[Recording]) -> None:
    assert batches(recordings).per_epoch == 2 * 240 * POSE_HOP // (SAMPLES * SIZE)


def test_an_epoch_of_less_than_a_batch_has_a_step(tmp_path: Path) -> None:
    write_direct_recording(tmp_path / "short", 10)
    assert batches([Recording(tmp_path / "short")]).per_epoch == 1


def test_stretches_are_stacked_in_their_order(recordings: list[Recording]) -> None:
    chunks = Chunks(recordings, 1000)
    calibration = calibrate(recordings, "directions")
    examples = [heard(chunks.draw(0, step), calibration, "directions") for step in range(3)]
    batch = stacked(examples)
    for number, example in enumerate(examples):
        alone = Heard(*(each[number : number + 1] for each in batch))
        assert all(map(torch.equal, alone, example))


def test_recordings_that_are_shorter_than_an_example_are_refused(tmp_path: Path) -> None:
    write_direct_recording(tmp_path / "short", 7)  # 2,800 samples, and the margin is 1,200
    with pytest.raises(InputError, match="No recording has the"):
        batches([Recording(tmp_path / "short")]).draw(0)


@pytest.mark.parametrize("view", POSE_ENCODINGS)
def test_calibration_finds_distances_and_loudness(
    recordings: list[Recording], view: PoseEncoding
) -> None:
    found = calibrate(recordings, view)
    assert found.distances == pytest.approx(DISTANCES, abs=0.01)
    assert found.loudness == pytest.approx(LOUDNESS, rel=0.02)


@pytest.mark.parametrize("view", POSE_ENCODINGS)
def test_what_a_network_hears_is_as_loud_as_its_noise(
    recordings: list[Recording], view: PoseEncoding
) -> None:
    drawn = batches(recordings, view)
    energy = [float(drawn.draw(step).mono.square().mean()) for step in range(30)]
    assert np.mean(energy) ** 0.5 == pytest.approx(1, rel=0.03)


def test_a_louder_talker_changes_the_scale_and_a_louder_recording_the_loudness(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    write_direct_recording(tmp_path / "loud", 240, seed=1, distances=DISTANCES, loudness=0.6)
    loud = calibrate([Recording(tmp_path / "loud")], "directions")
    plain = calibrate(recordings[:1], "directions")
    assert loud.loudness == pytest.approx(2 * plain.loudness, rel=1e-5)
    assert loud.scale == pytest.approx(plain.scale, rel=1e-5)


def test_a_short_recording_among_long_ones_does_not_change_the_scale(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    write_direct_recording(tmp_path / "short", 5, seed=1, distances=DISTANCES, loudness=LOUDNESS)
    short = Recording(tmp_path / "short")
    one, other = (
        calibrate(each, "published") for each in ([*recordings, short], [short, *recordings])
    )
    assert one.scale == pytest.approx(other.scale)
    assert one.scale == pytest.approx(calibrate(recordings, "published").scale, rel=0.05)
