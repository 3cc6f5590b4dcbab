import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from placing_method import LowsAndHighs
from sounds import RATE, chord, cut, decibels, drums, noise, tone
from soundstage.errors import InputError
from soundstage.separation.masking import MaskedSourceStream
from soundstage.spectra import AnalysisStream
from soundstage.stereo.encoding import TRANSFORM
from soundstage.upmixing.stem_files import find_stems
from soundstage.upmixing.user_stems import UserStems

LENGTH = 3 * RATE


@pytest.fixture(scope="module")
def parts():
    """The sources of a song; the lead is one of them."""
    return {
        "lead": tone(LENGTH, hz=600) + tone(LENGTH, hz=1200, level=0.05),
        "drums": drums(LENGTH, level=0.2),
        "rest": chord(LENGTH, level=0.03) + noise(LENGTH, level=0.01),
    }


def song_of(parts):
    return torch.stack(list(parts.values())).sum(dim=0)


def folder_with(folder, parts, names, *, rate=RATE, channels=1):
    folder.mkdir(exist_ok=True)
    for name in names:
        samples = parts[name].numpy()[:, None].repeat(channels, 1)
        soundfile.write(folder / f"{name}.wav", samples, rate, subtype="FLOAT")
    return find_stems(folder)


def fitted(stems, mono, *, block=65_536, rest=None):
    survey = UserStems(stems, rest or LowsAndHighs()).survey()
    for start in range(0, mono.shape[-1], block):
        survey.push(mono[start : start + block])
    return survey.finish()


def separated(separator, mono, places=()):
    stream = separator.stream()
    return torch.cat([*(stream.push(part) for part in cut(mono, places)), stream.finish()], dim=-1)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_lead_stem_is_a_source_and_the_rest_is_separated(tmp_path, parts, channels):
    mono = song_of(parts)
    stems = folder_with(tmp_path / "stems", parts, ["lead"], channels=channels)
    separator = fitted(stems, mono)
    assert [(each.name, each.kind) for each in separator.sources] == [
        ("lead", "lead"),
        ("lead-2", "lead"),
        ("residual", "residual"),
    ]
    sources = separated(separator, mono)
    assert torch.equal(sources[0], parts["lead"])
    assert decibels(sources[1:].sum(dim=0) - (mono - parts["lead"]), mono) < -140
    assert decibels(sources.sum(dim=0) - mono, mono) < -140
    facts = separator.sources[0]
    assert facts.energy == pytest.approx(
        float(parts["lead"].square().sum() / mono.square().sum()), rel=1e-3
    )
    assert 600 < facts.centroid < 900
    assert facts.activity == 1


def test_with_all_stems_there_is_nothing_to_separate(tmp_path, parts):
    parts = {"lead": parts["lead"], "drums": parts["drums"], "piano": parts["rest"]}
    mono = song_of(parts)
    separator = fitted(folder_with(tmp_path / "stems", parts, parts), mono)
    assert [each.kind for each in separator.sources] == ["drums", "lead", "object", "residual"]
    sources = separated(separator, mono)
    assert decibels(sources[-1], mono) < -140
    assert torch.equal(sources[2], parts["piano"])


@pytest.fixture(scope="module")
def two_stems(tmp_path_factory, parts):
    """A separator with stems of the lead and the drums, and its sources and masks in one piece."""
    folder, mono = tmp_path_factory.mktemp("two") / "stems", song_of(parts)
    separator = fitted(folder_with(folder, parts, ["lead", "drums"]), mono)
    masks = separator.mask_stream()
    together = torch.cat([masks.push(TRANSFORM.analyze(mono)), masks.finish()], dim=-1)
    return separator, separated(separator, mono), together


@settings(max_examples=8)
@given(places=st.lists(st.integers(0, LENGTH), max_size=5))
def test_blocks_change_neither_sources_nor_masks(two_stems, parts, places):
    separator, sources, together = two_stems
    mono = song_of(parts)
    assert torch.equal(separated(separator, mono, places), sources)
    assert sources.shape[-1] == LENGTH
    analysis, masks = AnalysisStream(TRANSFORM), separator.mask_stream()
    made = [masks.push(analysis.push(part)) for part in cut(mono, places)]
    made += [masks.push(analysis.finish()), masks.finish()]
    assert torch.equal(torch.cat(made, dim=-1), together)


def test_masks_add_up_to_one_and_give_each_stem_back(tmp_path, parts):
    mono = song_of(parts)
    separator = fitted(folder_with(tmp_path / "stems", parts, ["lead", "drums"]), mono)
    stream = separator.mask_stream()
    masks = torch.cat([stream.push(TRANSFORM.analyze(mono)), stream.finish()], dim=-1)
    assert masks.shape == (4, TRANSFORM.bins, TRANSFORM.frames(LENGTH))
    assert (masks >= 0).all()
    assert masks.sum(dim=0) == pytest.approx(1, abs=1e-5)
    sources = MaskedSourceStream(separator.mask_stream(), separator.sources)
    made = torch.cat([sources.push(mono), sources.finish()], dim=-1)
    names = [each.name for each in separator.sources]
    assert decibels(made[names.index("lead")] - parts["lead"], parts["lead"]) < -10
    assert decibels(made[names.index("drums")] - parts["drums"], parts["drums"]) < -10


def test_stems_of_another_rate_are_resampled(tmp_path, parts):
    from soundstage.audio import resample

    mono = song_of(parts)
    other = {"lead": torch.from_numpy(resample(parts["lead"][None].numpy(), RATE, 48_000)[0])}
    separator = fitted(folder_with(tmp_path / "stems", other, other, rate=48_000), mono)
    sources = separated(separator, mono)
    assert decibels(sources[0] - parts["lead"], parts["lead"]) < -60
    assert decibels(sources.sum(dim=0) - mono, mono) < -140


def test_a_stem_may_be_cut_or_padded_a_little(tmp_path, parts):
    mono = song_of(parts)
    longer = torch.nn.functional.pad(parts["drums"], (0, 2000))
    shorter = {"lead": parts["lead"][: -RATE // 10], "drums": longer}
    separator = fitted(folder_with(tmp_path / "stems", shorter, shorter), mono)
    sources = separated(separator, mono)
    assert decibels(sources.sum(dim=0) - mono, mono) < -140


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lead: lead[: 2 * RATE], "has 2.0 s, but the recording 3.0 s"),
        (lambda lead: torch.cat([lead, lead]), "is longer than the recording of 3.0 s"),
        (lambda lead: 2 * lead, "about 6 dB louder"),
        (lambda lead: lead / 2, "about 5 dB quieter"),
        (lambda lead: -lead, "not in the recording"),
        (lambda lead: tone(LENGTH, hz=640), "not in the recording"),
    ],
)
def test_stems_of_another_recording_are_refused(tmp_path, parts, change, sentence):
    stems = folder_with(tmp_path / "stems", {"lead": change(parts["lead"])}, ["lead"])
    with pytest.raises(InputError, match=sentence):
        fitted(stems, song_of(parts))


@pytest.mark.parametrize(("shift", "word"), [(500, "late"), (-500, "early")])
def test_stems_that_are_shifted_are_refused_with_their_lag(tmp_path, parts, shift, word):
    shifted = {"drums": parts["drums"].roll(shift)}
    stems = folder_with(tmp_path / "stems", shifted, shifted)
    with pytest.raises(InputError, match=rf"11\.34 ms too {word} \(500 samples"):
        fitted(stems, song_of(parts))


def test_silence_and_no_song_at_all_are_separated(tmp_path, parts):
    silent = {"lead": torch.zeros(RATE)}
    separator = fitted(folder_with(tmp_path / "silent", silent, silent), torch.zeros(RATE))
    assert not separated(separator, torch.zeros(RATE)).any()
    stems = folder_with(tmp_path / "stems", parts, ["lead"])
    separator = UserStems(stems, LowsAndHighs()).survey().finish()
    mono = song_of(parts)
    assert decibels(separated(separator, mono).sum(dim=0) - mono, mono) < -140


def test_the_stage_is_balanced_with_the_energies_of_stems_and_rest(tmp_path, parts):
    mono = song_of(parts)
    parts = parts | {"piano": parts["rest"]}
    separator = fitted(folder_with(tmp_path / "all", parts, ["lead", "drums", "piano"]), mono)
    energies = separator.balance_energies
    assert energies.shape == (4, 7)
    lead = parts["lead"].double().square().sum()
    assert energies[1].sum() == pytest.approx(float(lead), rel=1e-3)
    below, above = energies[1, :3].sum(), energies[1, 3]  # 750 Hz
    assert [below, above] / energies[1].sum() == pytest.approx([0.8, 0.2], abs=0.01)
    stems = folder_with(tmp_path / "one", parts, ["lead"])
    assert fitted(stems, mono).balance_energies is None

    class Known(LowsAndHighs):
        balance_energies = torch.ones(2, 7).numpy()

    known = fitted(stems, mono, rest=Known()).balance_energies
    assert known.shape == (3, 7)
    assert known[0] == pytest.approx(energies[1])
    rest = float((mono - parts["lead"]).double().square().sum())
    assert 0.8 * rest < known[1:].sum() < rest  # the bands end at 16 kHz, white noise does not


def test_one_stem_that_is_not_in_the_recording_is_named(tmp_path, parts):
    mono = parts["lead"] + parts["rest"]
    stems = folder_with(tmp_path / "stems", parts, ["lead", "drums"])
    with pytest.raises(InputError, match=r"drums\.wav is not in the recording"):
        fitted(stems, mono)


def test_stems_that_hardly_differ_are_no_error(tmp_path, parts):
    """Two microphones of one instrument."""
    parts = {
        "mic 1": parts["lead"],
        "mic 2": parts["lead"] + noise(LENGTH, level=1e-3),
        "rest": parts["rest"],
    }
    separator = fitted(folder_with(tmp_path / "stems", parts, ["mic 1", "mic 2"]), song_of(parts))
    assert [each.name for each in separator.sources][:2] == ["mic 1", "mic 2"]
