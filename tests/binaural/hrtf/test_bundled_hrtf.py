import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soundstage.binaural import HrtfInterpolator, HrtfSet, equalized, list_hrtf_sets, load_hrtf
from soundstage.binaural.hrtf.bundled import FAMILY, read_bundled, write_bundled
from soundstage.binaural.hrtf.equalization import sphere_shares
from soundstage.binaural.hrtf.onsets import onset_delays
from soundstage.errors import InputError, WeightsError
from soundstage.weights import save_weights, shipped
from soundstage.weights.model import FOLDER
from spheres import directions, grid, sphere_head, write_sofa

sys.path.insert(0, str(Path(__file__).parents[2] / "recipes"))

import kemar

HEAD = load_hrtf()
SIZE = 8192
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / HEAD.rate)
POWER = np.abs(np.fft.rfft(HEAD.responses.astype(float), SIZE)) ** 2
ONSETS = onset_delays(HEAD.responses, HEAD.rate) / HEAD.rate
LEFT = HEAD.nearest(directions(90, 0)[None])[0]
MIRRORED = HEAD.nearest(HEAD.directions * [1, -1, 1])


def level(power: np.ndarray, frequency: float) -> np.ndarray:
    """Of a third of an octave, in dB."""
    third = np.abs(np.log2(np.maximum(FREQUENCIES, 1) / frequency)) <= 1 / 6
    return 10 * np.log10(power[..., third].mean(axis=-1))


def test_the_shipped_head_is_whole() -> None:
    assert (len(HEAD.directions), HEAD.taps, HEAD.rate) == (710, 256, 44_100)
    np.testing.assert_allclose(HEAD.distances, 1.4, rtol=1e-6)
    assert "KEMAR" in HEAD.name
    assert "Gardner and Martin" in HEAD.license
    assert not HEAD.delays.any()


def test_left_and_right_are_mirror_images() -> None:
    np.testing.assert_allclose(HEAD.directions[MIRRORED], HEAD.directions * [1, -1, 1], atol=1e-6)
    np.testing.assert_array_equal(HEAD.responses[MIRRORED, ::-1], HEAD.responses)


def test_in_the_middle_sound_reaches_both_ears_at_once_and_alike() -> None:
    middle = np.abs(HEAD.directions[:, 1]) < 1e-6
    assert middle.sum() > 20
    np.testing.assert_array_equal(HEAD.responses[middle, 0], HEAD.responses[middle, 1])


def test_beside_the_head_time_and_level_differ_as_they_should() -> None:
    assert 0.60e-3 < ONSETS[LEFT, 1] - ONSETS[LEFT, 0] < 0.75e-3
    difference = {each: np.subtract(*level(POWER[LEFT], each)) for each in (100, 500, 5000)}
    assert abs(difference[100]) < 1
    assert 3 < difference[500] < 8
    assert 10 < difference[5000] < 20  # sound meets again behind a round head


def test_time_differences_follow_the_sphere() -> None:
    level_ones = np.abs(HEAD.directions[:, 2]) < 1e-6
    angle = np.arcsin(HEAD.directions[level_ones, 1].clip(-1, 1))
    woodworth = 0.0875 / 343 * (angle + np.sin(angle))
    found = np.subtract(*ONSETS[level_ones, ::-1].T)
    assert np.abs(found - woodworth).max() < 60e-6


def test_at_zero_hertz_the_head_vanishes() -> None:
    np.testing.assert_allclose(HEAD.responses.sum(axis=-1), 1, atol=2e-3)
    assert np.abs(level(POWER, 50)).max() < 1  # dB


def test_the_diffuse_field_is_flat() -> None:
    mean = sphere_shares(HEAD) @ POWER.mean(axis=1)
    levels = [level(mean, each) for each in 50 * 2 ** (np.arange(25) / 3)]  # to 12.8 kHz
    assert np.abs(levels).max() < 1  # dB


def test_measured_directions_return_what_was_measured() -> None:
    made = HrtfInterpolator(HEAD)
    some = np.arange(0, len(HEAD.directions), 7)
    found = made.responses(HEAD.directions[some])
    wanted = np.pad(HEAD.responses[some], ((0, 0), (0, 0), (0, made.taps - HEAD.taps)))
    assert ((found - wanted) ** 2).sum() < 1e-12 * (wanted**2).sum()


def test_the_card_fits_the_file_and_every_head_has_one() -> None:
    folder = FOLDER / "heads"
    assert {path.stem for path in folder.glob("*.json")} == set(list_hrtf_sets())
    content = (folder / "kemar.safetensors").read_bytes()
    card = json.loads((folder / "kemar.json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content) < 500_000
    assert (card["directions"], card["taps"], card["rate"]) == (710, 256, 44_100)
    assert {"paper", "credits", "license", "data", "derived", "limits"} <= set(card)
    assert card["storage_error_db"] < -70


def test_a_head_is_no_method() -> None:
    assert not set(list_hrtf_sets()) & set(shipped())


def test_a_sofa_file_is_read_as_it_is(tmp_path: Path) -> None:
    mine = sphere_head(grid(45), taps=64)
    path = write_sofa(tmp_path / "mine.sofa", mine)
    for source in (path, str(path)):
        np.testing.assert_array_equal(load_hrtf(source).responses, mine.responses)
    with pytest.raises(InputError, match="There is no file"):
        load_hrtf("none.sofa")


@pytest.mark.parametrize("name", ["nobody", "", "../autoregressive"])
def test_unknown_names_are_refused_and_the_known_told(name: str) -> None:
    with pytest.raises(WeightsError, match=r"kemar.*\.sofa"):
        load_hrtf(name)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, HrtfSet]:
    head = equalized(sphere_head(grid(30)), taps=64)
    head = replace(head, responses=symmetric(head))
    path = tmp_path / "mine.safetensors"
    write_bundled(path, head)
    path.with_suffix(".json").write_text(json.dumps({"title": "me", "license": "CC0"}))
    return path, head


def symmetric(head: HrtfSet) -> np.ndarray:
    mirrored = head.nearest(head.directions * [1, -1, 1])
    return 0.5 * (head.responses + head.responses[mirrored, ::-1])


def test_what_is_written_is_read_again(stored: tuple[Path, HrtfSet]) -> None:
    path, head = stored
    found = read_bundled(path)
    assert (found.name, found.license, found.rate) == ("me", "CC0", head.rate)
    np.testing.assert_allclose(found.responses, head.responses, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.directions, head.directions, atol=1e-7)
    np.testing.assert_allclose(found.distances, head.distances)


def test_a_head_that_cannot_be_mirrored_is_not_written(tmp_path: Path) -> None:
    head = sphere_head(grid(30))
    uneven = replace(head, responses=head.responses * [[1.0], [1.1]])
    one_sided = sphere_head(directions(np.arange(0, 180, 20.0), np.zeros(9)))
    late = replace(head, delays=head.delays + 1)
    for wrong in (uneven, one_sided, late):
        with pytest.raises(ValueError, match="mirror"):
            write_bundled(tmp_path / "wrong.safetensors", wrong)


def good() -> dict[str, torch.Tensor]:
    head = sphere_head(grid(45), taps=64)
    return {
        "responses": torch.tensor(head.responses[:, 0]).half(),
        "directions": torch.tensor(head.directions).float(),
        "distances": torch.tensor(head.distances).float(),
        "rate": torch.tensor([head.rate], dtype=torch.int32),
    }


def not_a_number(tensor: torch.Tensor) -> torch.Tensor:
    spoilt = tensor.clone()
    spoilt[0] = float("nan")
    return spoilt


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("responses", not_a_number),
        ("responses", lambda tensor: tensor.float()),
        ("responses", lambda tensor: tensor[:-1]),
        ("responses", lambda tensor: tensor[None]),
        ("responses", lambda tensor: 0 * tensor),
        ("responses", lambda tensor: torch.ones(len(tensor), 5000).half()),
        ("responses", lambda tensor: torch.ones(5000, 1).half()),
        ("directions", not_a_number),
        ("directions", lambda tensor: 2 * tensor),
        ("directions", lambda tensor: tensor + 1e-2),
        ("directions", lambda tensor: torch.nn.functional.normalize(tensor + 0.1)),
        ("distances", not_a_number),
        ("distances", lambda tensor: 0 * tensor),
        ("distances", lambda tensor: 1e9 * tensor),
        ("distances", lambda tensor: tensor[:3]),
        ("rate", lambda tensor: 0 * tensor),
        ("rate", lambda tensor: tensor.repeat(2)),
        ("rate", lambda tensor: tensor.float()),
    ],
)
def test_what_is_no_head_is_refused(tmp_path: Path, name: str, spoil) -> None:
    path = tmp_path / "wrong.safetensors"
    path.with_suffix(".json").write_text('{"title": "me", "license": "CC0"}')
    save_weights(path, FAMILY, good())
    read_bundled(path)
    save_weights(path, FAMILY, good() | {name: spoil(good()[name]).contiguous()})
    with pytest.raises(WeightsError, match=str(path)):
        read_bundled(path)


@pytest.mark.parametrize("card", [None, "", "[]", "{}", "\ud800"])
def test_a_head_without_its_card_is_refused(tmp_path: Path, card: str | None) -> None:
    path = tmp_path / "wrong.safetensors"
    save_weights(path, FAMILY, good())
    if card is not None:
        path.with_suffix(".json").write_bytes(card.encode(errors="surrogatepass"))
    with pytest.raises(WeightsError, match="card"):
        read_bundled(path)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    save_weights(path, "nearest", good())
    with pytest.raises(WeightsError, match="head/1"):
        read_bundled(path)


def test_the_recipe_derives_a_head_and_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = sphere_head(grid(30))
    sofa = write_sofa(tmp_path / "mine.sofa", replace(head, responses=symmetric(head)))
    output = tmp_path / "out.safetensors"
    monkeypatch.setattr(sys, "argv", ["kemar.py", str(sofa), "--output", str(output)])
    kemar.main()
    card = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert card == json.loads(capsys.readouterr().out)
    assert card["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    found = read_bundled(output)
    wanted = equalized(replace(head, responses=symmetric(head))).responses
    assert ((found.responses - wanted) ** 2).sum() < 10**-6.5 * (wanted**2).sum()
