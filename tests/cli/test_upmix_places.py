"""Places, plans and stems on the command line."""

import json

import numpy as np
import pytest
import soundfile

from sounds import RATE, chord, drums, tone
from soundstage.upmixing.plan import PlacedSource, Plan

LENGTH = RATE
SEPARATE = ("--method", "separate", "--separator", "hpss")


@pytest.fixture
def mono(tmp_path):
    """A lead, drums and a chord; the first two are stems too."""
    lead = np.round(tone(LENGTH, hz=600).numpy() * 2**15) / 2**15
    beat = np.round(drums(LENGTH, level=0.2).numpy() * 2**15) / 2**15
    rest = np.round(chord(LENGTH, level=0.02).numpy() * 2**15) / 2**15
    folder = tmp_path / "stems"
    folder.mkdir()
    soundfile.write(folder / "lead.wav", lead, RATE, subtype="PCM_16")
    soundfile.write(folder / "drums.wav", beat, RATE, subtype="PCM_16")
    soundfile.write(tmp_path / "mono.wav", lead + beat + rest, RATE, subtype="PCM_16")
    return tmp_path / "mono.wav"


def level_difference(path):
    left, right = np.square(soundfile.read(path)[0]).sum(axis=0)
    return 10 * np.log10(left / right)


def test_places_of_stems_are_those_that_are_requested(command, records, mono, tmp_path):
    options = ("--stems", tmp_path / "stems", "--place", "lead=6, drums=-4", "--no-sheet")
    code, out, _ = command("upmix", mono, *SEPARATE, *options, "--takes", 2, "--json")
    assert code == 0
    report = records(out)
    for done in report["done"]:
        pans = {source["name"]: source["pan_db"] for source in done["plan"]}
        assert (pans["lead"], pans["drums"]) == (6.0, -4.0)
        assert done["fold_down_error_db"] is None or done["fold_down_error_db"] < -90
    (compared,) = report["compared"]
    assert np.shape(compared["place_differences_db"]) == (2, 2)
    stereo = soundfile.read(tmp_path / "mono-stereo-1.wav")[0]
    folded = np.round(stereo.sum(axis=1) * 2**14)
    assert np.array_equal(folded, np.round(soundfile.read(mono)[0] * 2**15))


def test_a_lead_alone_of_the_users_own_stands_where_it_is_put(command, mono, tmp_path):
    for pan in (9, -9):
        options = ("--stems", tmp_path / "stems", "--place", f"lead={pan}", "--width", 1)
        (tmp_path / "stems" / "drums.wav").unlink(missing_ok=True)
        code, _, err = command("upmix", tmp_path / "stems" / "lead.wav", *SEPARATE, *options)
        assert code == 0, err
        found = level_difference(tmp_path / "stems" / "lead-stereo.wav")
        (tmp_path / "stems" / "lead-stereo.wav").unlink()
        assert found == pytest.approx(pan, abs=1.5)  # less by the diffuse part


def test_a_written_plan_gives_the_same_take_again_and_an_edited_one_another(
    command, mono, tmp_path
):
    out = tmp_path / "out"
    options = (*SEPARATE, "--stems", tmp_path / "stems", "-o", out, "--quiet")
    assert command("upmix", mono, *options, "--seed", 3, "--write-plan")[0] == 0
    path = out / "mono-stereo.wav.plan.json"
    first, plan = (out / "mono-stereo.wav").read_bytes(), Plan.read(path)
    again = (*options, "--seed", 3, "--overwrite", "--plan", path)
    assert command("upmix", mono, *again)[0] == 0
    assert (out / "mono-stereo.wav").read_bytes() == first
    before = level_difference(out / "mono-stereo.wav")
    plan.placed("lead", pan_db=10.0).write(path)
    assert command("upmix", mono, *again)[0] == 0
    assert level_difference(out / "mono-stereo.wav") > before + 2


def test_written_stems_have_a_folder_for_each_input_and_add_up(command, mono, tmp_path):
    other = tmp_path / "other.wav"
    soundfile.write(other, 0.5 * soundfile.read(mono)[0], RATE, subtype="PCM_24")
    folder = tmp_path / "sources"
    options = (*SEPARATE, "--write-stems", folder, "-o", tmp_path / "out")
    code, _, err = command("upmix", mono, other, *options)
    assert code == 0, err
    assert sorted(path.name for path in folder.iterdir()) == ["mono", "other"]
    for source, scale in ((mono, 2**15), (other, 2**23)):
        files = sorted((folder / source.stem).iterdir())
        assert [path.name for path in files] == ["harmonic.wav", "percussive.wav"]
        total = sum(soundfile.read(path)[0] for path in files)
        assert np.array_equal(np.round(total * scale), np.round(soundfile.read(source)[0] * scale))
    code, _, err = command("upmix", mono, other, *options, "--skip-existing")
    assert code == 0, err
    (tmp_path / "out" / "mono-stereo.wav").unlink()
    code, _, err = command("upmix", mono, other, *options, "--skip-existing")
    assert code == 0, err


def test_existing_plans_and_stems_are_kept_and_nothing_is_written(refused, mono, tmp_path):
    plan = tmp_path / "mono-stereo.wav.plan.json"
    plan.write_text("precious")
    assert "exists" in refused("upmix", mono, *SEPARATE, "--write-plan")
    assert plan.read_text() == "precious"
    assert not (tmp_path / "mono-stereo.wav").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-m", "comb", "--place", "lead=0"), "comb gives nothing a place, so it has no --place"),
        (("-m", "comb", "--write-plan"), "comb gives nothing a place, so it has no --write-plan"),
        (("-m", "comb", "--stems", "stems"), "comb gives nothing a place, so it has no --stems"),
        (("-m", "separate", "--separator", "magic"), "There is no separator 'magic'"),
        (("-m", "formation", "--separator", "hpss"), "formation has no choice of separator"),
        ((*SEPARATE, "--place", "guitar=left"), "'guitar'"),
        ((*SEPARATE, "--place", "lead"), "lead"),
        ((*SEPARATE, "--stems", "nowhere"), "nowhere does not exist"),
        ((*SEPARATE, "--stems", "mono.wav"), "mono.wav is no folder"),
        ((*SEPARATE, "--plan", "nowhere.json"), "nowhere.json: cannot be read"),
        ((*SEPARATE, "--plan", "mono.wav"), "mono.wav"),
        ((*SEPARATE, "--plan", "wrong.json"), "pan_db"),
        ((*SEPARATE, "--plan", "other.json"), "has no source of the plan"),
        ((*SEPARATE, "--stems", "stems", "mono.wav", "stems/lead.wav"), "there are 2 inputs"),
        ((*SEPARATE, "--stems", "late"), "ms too late"),
        ((*SEPARATE, "--stems", "foreign"), "soft.wav is not in the recording"),
        ((*SEPARATE, "--stems", "short"), "has 0.4 s, but the recording 1.0 s"),
    ],
)
def test_what_cannot_be_placed_is_refused_in_a_sentence(
    refused, mono, tmp_path, monkeypatch, options, sentence
):
    monkeypatch.chdir(tmp_path)
    source = [{"name": "piano", "kind": "object", "pan_db": 30}]
    (tmp_path / "wrong.json").write_text(json.dumps({"version": 1, "sources": source}))
    Plan((PlacedSource("piano", "object", 3.0),)).write(tmp_path / "other.json")
    beat = soundfile.read("stems/drums.wav")[0]
    odd = {
        "late/drums": np.roll(beat, 300),
        "short/drums": beat[: round(0.4 * RATE)],
        "foreign/soft": tone(LENGTH, hz=700).numpy(),
    }
    for name, samples in odd.items():
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
    assert sentence in refused("upmix", "mono.wav", *options, "-o", "out/")
    assert not list((tmp_path / "out").glob("*"))
