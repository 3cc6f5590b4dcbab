import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from making_recordings import write_direct_recording, write_direct_speech
from soundstage.binaural.render.pose_encoding import (
    POSE_ENCODINGS,
    POSE_FEATURES,
    POSE_HOP,
    ear_delays,
    encode_poses,
)
from soundstage.corpora.binaural_simulation import MANIFEST
from soundstage.corpora.binaural_speech import Chunks, Recording
from soundstage.errors import InputError
from soundstage.networks.backbones.neural_warp import warp
from soundstage.networks.models.binaural_wavenet import Calibration
from soundstage.training.data import binaural_batches
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    BinauralExamples,
    ValidationSegments,
    calibrate,
    collate,
    make_example,
    mean_square,
    open_speech,
)
from soundstage.training.recipes import WaveNetRecipe

SAMPLES, SIZE, SECOND = 2000, 4, 48_000
DISTANCES, LOUDNESS = (0.8, 1.6), 0.3


def recipe(encoding="directions", *, gain_db=0.0, seed=5):
    return WaveNetRecipe(
        family="wavenet",
        pose_encoding=encoding,
        segment_samples=SAMPLES,
        gain_db=gain_db,
        loop={"epochs": 1, "batch_size": SIZE, "learning_rate": 0.01, "seed": seed},
    )


def calibration(scale, loudness, nearest, farthest):
    return Calibration(scale=scale, loudness=loudness, nearest=nearest, farthest=farthest)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for seed in (1, 2):
        write_direct_recording(
            folder / str(seed), 240, seed=seed, distances=DISTANCES, loudness=LOUDNESS
        )
    return [Recording(each) for each in sorted(folder.iterdir())]


def batches(recordings, encoding="directions", **changes):
    return BinauralBatches(recordings, calibrate(recordings, encoding), recipe(encoding, **changes))


@settings(max_examples=8)
@given(step=st.integers(0, 10_000), other=st.integers(0, 10_000))
def test_a_batch_depends_on_its_step_alone(recordings, step, other):
    source = batches(recordings, gain_db=6)
    first, different = source.draw(step), source.draw(other)
    again = batches(recordings, gain_db=6).draw(step)
    assert all(map(torch.equal, first, again))
    assert step == other or not torch.equal(first.mono, different.mono)


def test_examples_of_other_steps_and_seeds_differ(recordings):
    drawn = [batches(recordings, seed=seed).draw(step) for seed in (0, 1) for step in (0, 1)]
    examples = [each.tobytes() for batch in drawn for each in batch.ears.numpy()]
    assert len(set(examples)) == 4 * SIZE


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
def test_a_batch_has_the_shapes_of_the_network_inputs(recordings, encoding):
    batch = batches(recordings, encoding, gain_db=6).draw(0)
    samples = MARGIN + SAMPLES
    poses = samples // POSE_HOP
    shapes = [(SIZE, samples), (SIZE, POSE_FEATURES[encoding], poses), (SIZE, 2, poses)]
    assert [tuple(each.shape) for each in batch] == [*shapes, (SIZE, 2, samples)]
    assert {each.dtype for each in batch} == {torch.float32}


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
def test_a_segment_comes_with_its_encoded_poses_and_delays(recordings, encoding):
    chunk = Chunks(recordings, MARGIN + SAMPLES).draw(5, 0)
    example = make_example(chunk, calibration(7.0, 1.0, 1.0, 1.4), encoding)
    poses = encode_poses(encoding, chunk.poses, (1.0, 1.4))
    np.testing.assert_allclose(example.poses[0], poses, atol=1e-6)
    np.testing.assert_allclose(example.delays[0], ear_delays(chunk.poses.positions), rtol=1e-6)
    np.testing.assert_allclose(example.ears[0], 7 * chunk.binaural, rtol=1e-6)


def test_only_our_encoding_attenuates_the_input_by_distance(recordings):
    chunk = Chunks(recordings, MARGIN + SAMPLES).draw(5, 0)
    published = make_example(chunk, calibration(7.0, 1.0, 0.8, 1.6), "published").mono[0]
    np.testing.assert_allclose(published, 7 * chunk.mono, rtol=1e-6)
    ours = make_example(chunk, calibration(7.0, 1.0, 1.0, 1.4), "directions").mono[0]
    times = (chunk.start + np.arange(len(chunk.mono))) / SECOND
    positions = chunk.recording.trajectory.positions_at(times)
    distance = np.linalg.norm(positions, axis=1).clip(1.0, 1.4)
    known = slice(0, len(chunk.mono) - POSE_HOP)  # the last pose is held
    expected = (7 * chunk.mono / distance)[known]
    np.testing.assert_allclose(ours[known], expected, atol=1e-4, rtol=5e-3)


@pytest.mark.parametrize("step", range(3))
def test_poses_delays_levels_and_ears_agree_also_after_mirroring(recordings, step):
    """The ears of these recordings are the warped and attenuated mono signal."""
    batch = batches(recordings, gain_db=6).draw(step)
    times = torch.arange(batch.mono.shape[-1], dtype=torch.float64)
    rendered = LOUDNESS * warp(batch.mono, times - batch.sample_delays)
    error = (rendered - batch.ears)[..., MARGIN:-POSE_HOP]
    assert float(error.square().mean()) < 1e-4 * float(batch.ears.square().mean())
    swapped = (rendered.flip(1) - batch.ears)[..., MARGIN:-POSE_HOP]
    assert float(swapped.square().mean()) > 100 * float(error.square().mean())


def test_the_margin_is_longer_than_the_largest_delay():
    assert ear_delays(np.array([[0.0, 2.5, 0.0]])).max() < MARGIN / 2


def test_a_random_gain_applies_to_the_whole_example(recordings):
    plain, other = batches(recordings), batches(recordings, gain_db=10)
    gains = []
    for step in range(20):
        one, two = plain.draw(step), other.draw(step)
        assert torch.equal(one.poses, two.poses)
        assert torch.equal(one.delays, two.delays)
        gain = two.mono.norm(dim=1) / one.mono.norm(dim=1)
        torch.testing.assert_close(two.mono, gain[:, None] * one.mono, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(two.ears, gain[:, None, None] * one.ears, rtol=1e-4, atol=1e-6)
        gains.append(20 * gain.log10())
    all_gains = torch.cat(gains)
    assert float(all_gains.abs().max()) <= 10 + 1e-3
    assert float(all_gains.min()) < -8
    assert float(all_gains.max()) > 8


def test_an_epoch_covers_the_recordings_once(recordings, tmp_path):
    assert batches(recordings).per_epoch == 2 * 240 * POSE_HOP // (SAMPLES * SIZE)
    write_direct_recording(tmp_path / "short", 10)
    assert batches([Recording(tmp_path / "short")]).per_epoch == 1


def test_collated_examples_keep_their_order(recordings):
    chunks, found = Chunks(recordings, 1000), calibrate(recordings, "directions")
    examples = [make_example(chunks.draw(0, index), found, "directions") for index in range(3)]
    batch = collate(examples)
    for index, example in enumerate(examples):
        alone = BinauralExamples(*(each[index : index + 1] for each in batch))
        assert all(map(torch.equal, alone, example))


def test_recordings_shorter_than_an_example_are_refused(tmp_path):
    write_direct_recording(tmp_path / "short", 7)  # 2,800 samples, 1,200 of them margin
    with pytest.raises(InputError, match="No recording has the"):
        batches([Recording(tmp_path / "short")]).draw(0)


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
def test_the_calibration_has_distances_loudness_and_unit_input_level(recordings, encoding):
    found = calibrate(recordings, encoding)
    assert found.distances == pytest.approx(DISTANCES, abs=0.01)
    assert found.loudness == pytest.approx(LOUDNESS, rel=0.02)
    source = batches(recordings, encoding)
    energy = [float(source.draw(step).mono.square().mean()) for step in range(30)]
    assert np.mean(energy) ** 0.5 == pytest.approx(1, rel=0.03)


def test_a_louder_recording_changes_the_loudness_only(tmp_path, recordings):
    write_direct_recording(tmp_path / "loud", 240, seed=1, distances=DISTANCES, loudness=0.6)
    loud = calibrate([Recording(tmp_path / "loud")], "directions")
    plain = calibrate(recordings[:1], "directions")
    assert loud.loudness == pytest.approx(2 * plain.loudness, rel=1e-5)
    assert loud.scale == pytest.approx(plain.scale, rel=1e-5)


def test_a_short_recording_hardly_changes_the_scale(tmp_path, recordings):
    write_direct_recording(tmp_path / "short", 5, seed=1, distances=DISTANCES, loudness=LOUDNESS)
    short = Recording(tmp_path / "short")
    one, other = (
        calibrate(each, "published") for each in ([*recordings, short], [short, *recordings])
    )
    assert one.scale == pytest.approx(other.scale)
    assert one.scale == pytest.approx(calibrate(recordings, "published").scale, rel=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_direct_speech(tmp_path_factory.mktemp("speech"), loudness=0.5)


@pytest.fixture(scope="module")
def speech(folder):
    return open_speech(folder, recipe())


@pytest.fixture(autouse=True)
def few_segments(monkeypatch):
    monkeypatch.setattr(binaural_batches, "VALID_SEGMENTS", 3)


def test_a_dataset_has_the_parts_of_the_published_layout(speech):
    assert [each.name for each in speech.train] == ["subject1", "subject2"]
    assert [each.name for each in speech.valid] == ["validation_sequence"]
    assert speech.calibration == calibrate(speech.train, "directions")
    assert speech.description.endswith("minutes of 2 recordings")


def test_test_recordings_are_never_opened(tmp_path):
    whole = write_direct_speech(tmp_path / "whole")
    broken = whole / "testset" / "subject1"
    write_direct_recording(broken, 30)
    (broken / "mono.wav").write_bytes(b"no sound")
    assert len(open_speech(whole, recipe()).valid) == 1


def test_a_folder_without_recordings_is_refused_and_validation_is_optional(tmp_path):
    with pytest.raises(InputError, match="no recording of the split 'train'"):
        open_speech(tmp_path, recipe())
    write_direct_recording(tmp_path / "trainset" / "subject1", 60)
    assert open_speech(tmp_path, recipe()).valid == []


def test_wave_l2_is_the_mean_squared_error_at_full_scale_after_the_margin(speech):
    segments = ValidationSegments(speech, recipe())
    assert segments.wave_l2(lambda each, index: (each.ears, each.ears)) == 0

    def offset(segment, index):
        output = segment.ears + 0.01 * speech.calibration.scale
        output[..., :MARGIN] += 1
        return output, segment.ears

    assert segments.wave_l2(offset) == pytest.approx(1000 * 0.01**2, rel=1e-3)
    (recording,) = speech.valid
    energy = (recording.binaural(0, recording.frames).astype(float) ** 2).mean()
    silence = segments.wave_l2(lambda each, index: (torch.zeros_like(each.ears), each.ears))
    assert silence == pytest.approx(1000 * energy, rel=0.1)


def test_wave_l2_does_not_depend_on_the_scale_of_the_network(speech):
    scores = []
    for scale in (1.0, 50.0):
        scaled = replace(speech.calibration, scale=scale)
        segments = ValidationSegments(replace(speech, calibration=scaled), recipe())
        scores.append(segments.wave_l2(lambda each, index: (0 * each.ears, each.ears)))
    assert scores[1] == pytest.approx(scores[0])


def test_an_output_that_is_not_finite_is_never_the_best(speech):
    def broken(segment, index):
        return segment.ears / (0 if index == 1 else 1), segment.ears

    assert ValidationSegments(speech, recipe()).wave_l2(broken) == float("inf")
    assert mean_square(torch.tensor([3.0, 4.0])) == 12.5
    assert mean_square(torch.tensor([0.0, float("nan")])) == float("inf")


def test_the_validation_segments_are_always_the_same(speech):
    def collect(segments):
        found = []

        def render(segment, index):
            assert index == len(found)
            found.append(segment)
            return segment.ears, segment.ears

        segments.wave_l2(render)
        return found

    first, other_seed = (collect(ValidationSegments(speech, recipe(seed=seed))) for seed in (0, 7))
    assert len(first) == 3
    assert {each.mono.shape for each in first} == {(1, MARGIN + SECOND)}
    for one, two in zip(first, other_seed, strict=True):
        assert all(map(torch.equal, one, two))
    assert not torch.equal(first[0].mono, first[1].mono)


def test_the_card_has_the_duration_of_recorded_speech(speech):
    facts = speech.facts()
    assert facts["data"] == "2 binaural recordings"
    assert (facts["recordings"], facts["hours"]) == (2, round(4 / 3600, 2))
    assert (facts["licenses"], facts["credits"]) == ({}, [])


def test_the_card_credits_hrtf_sets_and_speakers_of_simulated_speech(tmp_path):
    folder = write_direct_speech(tmp_path / "simulated")

    def subject(split, listener, license, *speakers):
        clips = [{"speaker": speaker, "license": "CC BY 4.0"} for speaker in speakers]
        hrtf = {"listener": listener, "license": license}
        return {"split": split, "hrtf": hrtf, "speech": clips}

    subjects = [
        subject("train", "ear one", "CC0", "Ann", "Ann", "Ben"),
        subject("train", "ear two", "", "Ben"),
        subject("valid", "ear three", "CC0", "Cleo"),
    ]
    (folder / MANIFEST).write_text(json.dumps({"subjects": subjects}))
    facts = open_speech(folder, recipe()).facts()
    assert facts["data"] == "2 binaural recordings, simulated with 2 HRTF sets and 2 speakers"
    assert facts["licenses"] == {"CC BY 4.0": 2, "CC0": 1, "not stated": 1}
    assert facts["credits"] == [
        {"title": "Ann", "kind": "speaker", "license": "CC BY 4.0"},
        {"title": "Ben", "kind": "speaker", "license": "CC BY 4.0"},
        {"title": "ear one", "kind": "HRTF set", "license": "CC0"},
        {"title": "ear two", "kind": "HRTF set", "license": "not stated"},
    ]


def test_the_digest_depends_on_the_recordings(folder, speech, tmp_path):
    assert open_speech(folder, recipe()).digest() == speech.digest()
    other = write_direct_speech(tmp_path / "other", loudness=0.4)
    assert open_speech(other, recipe()).digest() != speech.digest()
