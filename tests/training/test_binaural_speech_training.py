import json
from pathlib import Path

import pytest
import torch

from making_recordings import write_direct_recording, write_direct_speech
from soundstage.binaural.render.neural_weights import BinauralWaveNetConfig, GradShape
from soundstage.corpora.binaural_simulation import MANIFEST
from soundstage.errors import InputError, OptionError
from soundstage.training.data.binaural_batches import MARGIN, Heard, calibrate
from soundstage.training.recipes import WaveNetRecipe
from soundstage.training.run import train
from soundstage.training.tasks import binaural_speech as binaural_speech_training
from soundstage.training.tasks.binaural_speech import HeldOut, Speech, made_network, open_speech

RECIPE = WaveNetRecipe.model_validate(
    {
        "family": "wavenet",
        "view": "directions",
        "size": {"blocks": 1, "layers": 2, "channels": 4},
        "samples": 2000,
        "epoch_steps": 2,
        "loop": {"epochs": 1, "batch": 2, "learning_rate": 0.01},
    }
)
SECOND = 48_000


@pytest.fixture(scope="module", autouse=True)
def few_stretches() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaural_speech_training, "HELD_OUT_STRETCHES", 3)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_direct_speech(tmp_path_factory.mktemp("recordings"), loudness=0.5)


@pytest.fixture(scope="module")
def speech(folder: Path) -> Speech:
    return open_speech(folder, RECIPE)


def card_of(folder: Path, output: Path) -> dict[str, object]:
    made = train(RECIPE, folder, output, device="cpu")
    card: dict[str, object] = json.loads(made.card.read_text())
    return card


def test_the_parts_of_a_folder_are_those_of_the_published_set(speech: Speech) -> None:
    assert [each.name for each in speech.learned] == ["subject1", "subject2"]
    assert [each.name for each in speech.held_out] == ["validation_sequence"]
    assert speech.calibration == calibrate(speech.learned, "directions")


def test_recordings_that_are_to_be_tested_on_are_never_opened(tmp_path: Path) -> None:
    whole = write_direct_speech(tmp_path / "whole")
    broken = whole / "testset" / "subject1"
    write_direct_recording(broken, 30)
    (broken / "mono.wav").write_bytes(b"no sound")
    assert len(open_speech(whole, RECIPE).held_out) == 1


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recording of the split 'train'"):
        train(RECIPE, tmp_path, tmp_path / "out.safetensors", device="cpu")


def test_truth_has_no_error_and_an_offset_has_that_of_the_sound_at_full_scale(
    speech: Speech,
) -> None:
    held_out = HeldOut(speech, RECIPE)
    assert held_out.wave_error(lambda stretch, number: (stretch.ears, stretch.ears)) == 0

    def louder(stretch: Heard, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        return stretch.ears + 0.01 * speech.calibration.scale, stretch.ears

    assert held_out.wave_error(louder) == pytest.approx(1000 * 0.01**2, rel=1e-3)


def test_the_error_of_silence_is_the_energy_of_the_recording(speech: Speech) -> None:
    def silent(stretch: Heard, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros_like(stretch.ears), stretch.ears

    (recording,) = speech.held_out
    energy = (recording.binaural(0, recording.frames).astype(float) ** 2).mean()
    found = HeldOut(speech, RECIPE).wave_error(silent)
    assert found == pytest.approx(1000 * energy, rel=0.1)


def test_margins_of_stretches_do_not_count(speech: Speech) -> None:
    def wrong_at_first(stretch: Heard, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        made = stretch.ears.clone()
        made[..., :MARGIN] += 1
        return made, stretch.ears

    assert HeldOut(speech, RECIPE).wave_error(wrong_at_first) == 0


def test_what_is_no_number_is_never_the_best(speech: Speech) -> None:
    def broken(stretch: Heard, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        return stretch.ears / (0 if number == 1 else 1), stretch.ears

    assert HeldOut(speech, RECIPE).wave_error(broken) == float("inf")


def test_every_epoch_is_chosen_by_the_same_stretches(speech: Speech) -> None:
    def told(held_out: HeldOut) -> list[Heard]:
        stretches: list[Heard] = []

        def made(stretch: Heard, number: int) -> tuple[torch.Tensor, torch.Tensor]:
            assert number == len(stretches)
            stretches.append(stretch)
            return stretch.ears, stretch.ears

        held_out.wave_error(made)
        return stretches

    held_out = HeldOut(speech, RECIPE)
    other = RECIPE.model_copy(update={"loop": RECIPE.loop.model_copy(update={"seed": 7})})
    first, again, elsewhere = told(held_out), told(held_out), told(HeldOut(speech, other))
    assert len(first) == 3
    assert {each.mono.shape for each in first} == {(1, MARGIN + SECOND)}
    for stretches in (again, elsewhere):
        for one, two in zip(first, stretches, strict=True):
            assert all(map(torch.equal, one, two))
    assert not torch.equal(first[0].mono, first[1].mono)


def test_a_network_begins_the_same_for_a_seed_and_leaves_other_numbers_alone() -> None:
    shape = BinauralWaveNetConfig(0, 1, 2, 4, 2)
    torch.manual_seed(3)
    one, other, third = (made_network(shape, seed).state_dict() for seed in (5, 5, 6))
    after = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(4))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert not torch.equal(one["first.weight"], third["first.weight"])


def test_a_shape_that_makes_no_network_is_one_sentence() -> None:
    no_middle = GradShape(
        view=0, blocks=1, layers=2, channels=4, kernel=2, stage=0, frame=0, separable=0,
        condition=4, taps=0, rank=0, step=8, flow=0,
    )  # fmt: skip
    with pytest.raises(OptionError, match=r"The recipe makes no network: a kernel of 2"):
        made_network(no_middle, 0)


def test_the_card_of_recorded_speech_says_how_much_there_was(folder: Path, tmp_path: Path) -> None:
    card = card_of(folder, tmp_path / "mine.safetensors")
    assert card["data"] == "2 binaural recordings"
    assert (card["records"], card["hours"]) == (2, round(4 / 3600, 2))
    assert (card["licenses"], card["credits"]) == ({}, [])


def test_the_card_of_simulated_speech_credits_what_it_was_made_of(tmp_path: Path) -> None:
    folder = write_direct_speech(tmp_path / "made")

    def subject(split: str, listener: str, license: str, *speakers: str) -> dict[str, object]:
        clips = [{"speaker": speaker, "license": "CC BY 4.0"} for speaker in speakers]
        head = {"listener": listener, "license": license}
        return {"split": split, "head": head, "speech": clips}

    subjects = [
        subject("train", "ear one", "CC0", "Ann", "Ann", "Ben"),
        subject("train", "ear two", "", "Ben"),
        subject("valid", "ear three", "CC0", "Cleo"),
    ]
    (folder / MANIFEST).write_text(json.dumps({"subjects": subjects}))
    card = card_of(folder, tmp_path / "mine.safetensors")
    says = "2 binaural recordings, simulated with 2 measured heads and 2 speakers"
    assert card["data"] == says
    assert card["licenses"] == {"CC BY 4.0": 2, "CC0": 1, "not stated": 1}
    assert card["credits"] == [
        {"title": "Ann", "what": "speaker", "license": "CC BY 4.0"},
        {"title": "Ben", "what": "speaker", "license": "CC BY 4.0"},
        {"title": "ear one", "what": "measured head", "license": "CC0"},
        {"title": "ear two", "what": "measured head", "license": "not stated"},
    ]


def test_nothing_needs_to_be_held_out(tmp_path: Path) -> None:
    write_direct_recording(tmp_path / "set" / "trainset" / "subject1", 60)
    card = card_of(tmp_path / "set", tmp_path / "mine.safetensors")
    assert "validation" not in card
    assert card["records"] == 1


def test_the_plan_is_said(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    train(RECIPE, folder, tmp_path / "mine.safetensors", device="cpu", say=lines.append)
    assert "minutes of 2 recordings, 1 epochs of 2 steps of 2 × 2000 samples, on cpu" in lines[0]
