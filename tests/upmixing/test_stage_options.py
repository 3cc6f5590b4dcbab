"""Places, plans and stems, from a call to the method."""

import pickle

import numpy as np
import pytest
import soundfile

import soundstage
from sounds import RATE, chord, drums, tone
from soundstage.errors import InputError, OptionError
from soundstage.upmixing.plan import PlacedSource, Plan
from soundstage.upmixing.registry import METHODS, check_method
from soundstage.upmixing.stage_options import StageOptions, stage_options
from tiny import UPMIXERS

LENGTH = RATE
PLAN = Plan((PlacedSource("percussive", "drums", 5.0),))


@pytest.fixture
def song(tmp_path):
    """(samples, rate) of a song whose lead is a stem, and the folder of the stem."""
    lead = tone(LENGTH, hz=600).numpy()
    folder = tmp_path / "stems"
    folder.mkdir()
    soundfile.write(folder / "lead.wav", lead, RATE, subtype="FLOAT")
    rest = (drums(LENGTH, level=0.2) + chord(LENGTH, level=0.02)).numpy()
    return (lead + rest, RATE), folder


def level_difference(audio):
    left, right = np.square(audio.samples.astype(float)).sum(axis=1)
    return 10 * np.log10(left / right)


def test_without_options_nothing_is_requested():
    assert StageOptions().requested == ()
    assert stage_options(place="lead=0", plan=PLAN).requested == ("place", "plan")


def test_options_reach_worker_processes(tmp_path, song):
    options = stage_options(place="lead=0", plan=PLAN, stems=song[1], separator="hpss")
    assert pickle.loads(pickle.dumps(options)) == options


def test_a_plan_is_read_from_its_file(tmp_path):
    PLAN.write(tmp_path / "plan.json")
    for path in (tmp_path / "plan.json", str(tmp_path / "plan.json")):
        assert stage_options(plan=path).plan == PLAN


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"place": 5}, "`place` must be text"),
        ({"separator": 5}, "`separator` must be text"),
        ({"plan": 5}, "`plan` must be a plan"),
        ({"stems": 5}, "`stems` must be a folder"),
        ({"place": "lead=loud"}, "loud"),
        ({"separator": "magic"}, "'magic'"),
    ],
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(OptionError, match=sentence):
        stage_options(**options)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"plan\.json"):
        stage_options(plan=tmp_path / "plan.json")
    with pytest.raises(InputError, match="does not exist"):
        stage_options(stems=tmp_path / "nowhere")


@pytest.mark.parametrize("name", [name for name, each in METHODS.items() if each.weights])
def test_methods_place_sources_if_the_table_says_so(name, song):
    stage = stage_options(plan=PLAN, stems=song[1])
    if METHODS[name].places_sources:
        check_method(name, stage=stage)
    else:
        with pytest.raises(OptionError, match=f"{name} gives nothing a place, so it has no `plan`"):
            check_method(name, stage=stage)


def test_the_separator_is_a_choice_only_where_the_table_says_so():
    for name, method in METHODS.items():
        if not method.places_sources:
            continue
        check_method(name, stage=StageOptions(separator=method.separator))
        if not method.takes_separator:
            with pytest.raises(OptionError, match="no choice of separator"):
                check_method(name, stage=StageOptions(separator="spleeter"))


def test_a_method_that_is_loaded_already_takes_no_options(song):
    for options in ({"place": "lead=0"}, {"plan": PLAN}, {"stems": song[1]}):
        with pytest.raises(OptionError, match="need a method by name"):
            soundstage.upmix(song[0], method=UPMIXERS["comb"], **options)


def test_the_array_the_stream_and_the_file_are_the_same(tmp_path, song):
    (samples, rate), folder = song
    options = {"separator": "hpss", "stems": folder, "place": "lead=8"}
    upmixer = soundstage.Upmixer.from_pretrained("separate", **options)
    made = {"width": 1.0, "spread_noise": True}
    whole = soundstage.upmix((samples, rate), method="separate", **options, **made)
    assert level_difference(whole) > 0.1
    stream = upmixer.stream(rate)
    blocks = [stream.push(samples[start : start + 9999]) for start in range(0, LENGTH, 9999)]
    assert np.array_equal(np.concatenate([*blocks, stream.finish()], axis=1), whole.samples)
    source, target = tmp_path / "song.wav", tmp_path / "stereo.wav"
    soundfile.write(source, samples, rate, subtype="FLOAT")
    upmixer.file(source, target, **made)
    assert np.array_equal(soundfile.read(target, dtype="float32")[0].T, whole.samples)


def test_a_batch_has_one_plan_but_no_common_stems(tmp_path, song):
    (samples, rate), folder = song
    paths = [tmp_path / name for name in ("a.wav", "b.wav")]
    for path in paths:
        soundfile.write(path, samples, rate)
    options = {"method": "separate", "separator": "hpss"}
    results = soundstage.upmix_batch(
        paths, tmp_path / "out", **options, plan=PLAN, write_stems=tmp_path / "sources"
    )
    assert [result.status for result in results] == ["done", "done"]
    for result in results:
        pans = {source.name: source.pan_db for source in result.reports[0].plan.sources}
        assert pans["percussive"] == 5.0
    assert {path.name for path in (tmp_path / "sources").iterdir()} == {"a", "b"}
    with pytest.raises(OptionError, match="there are 2 inputs"):
        soundstage.upmix_batch(paths, tmp_path / "out", **options, stems=folder)
