import numpy as np
import pytest
import soundfile

from soundstage.training.data.event_dataset import open_events
from trainings import recipe_with

CONTENT = {
    "family": "tagger",
    "train_folds": [1, 2],
    "licenses": ["CC0"],
    "loop": {"epochs": 1, "batch_size": 2, "learning_rate": 0.01},
}


@pytest.fixture
def events(tmp_path):
    """Two folds of three recordings, each cut into two clips."""
    lines = ["file,fold,class,clip_license,clip_author,clip_title,clip_url"]
    for fold in (1, 2):
        for index in range(6):
            name = f"{fold}-{index}.wav"
            soundfile.write(tmp_path / name, np.full(800, 0.1 * fold), 16_000)
            recording = index // 2
            lines.append(
                f"{name},{fold},class {recording},CC0,Ann,Take {recording},http://x/{fold}"
            )
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    return tmp_path


def names(clips):
    return {clip.path.stem for clip in clips}


def test_clips_are_held_out_with_all_clips_of_their_recordings(events):
    dataset = open_events(recipe_with(CONTENT, valid_clips=2), events)
    assert names(dataset.valid) == {"2-0", "2-5"}
    assert names(dataset.train) == {*(f"1-{index}" for index in range(6)), "2-2", "2-3"}


def test_without_held_out_clips_all_clips_of_the_folds_are_for_training(events):
    dataset = open_events(recipe_with(CONTENT), events)
    assert len(dataset.train) == 12
    assert not dataset.valid
