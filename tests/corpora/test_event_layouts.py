"""Published collections of events, in tiny folders of their real layouts."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundstage.corpora.event_layouts import license_name, published_clips
from soundstage.corpora.events import event_clips
from soundstage.errors import InputError

BY = "http://creativecommons.org/licenses/by/4.0/"
ZERO = "http://creativecommons.org/publicdomain/zero/1.0/"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def urbansound8k(folder: Path, *lines: str) -> Path:
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    write(folder / "metadata" / "UrbanSound8K.csv", header + "".join(f"{x}\n" for x in lines))
    return folder


def fsd50k(folder: Path) -> Path:
    truth = folder / "FSD50K.ground_truth"
    write(
        truth / "dev.csv",
        'fname,labels,mids,split\n64760,"Electric_guitar,Guitar,Music","/m/a,/m/b,/m/c",train\n'
        '16399,"Bark,Dog,Animal","/m/a,/m/b,/m/c",val\n21914,Rain,/m/d,train\n',
    )
    write(truth / "eval.csv", 'fname,labels,mids\n37199,"Thunder,Thunderstorm","/m/e,/m/f"\n')
    write(truth / "vocabulary.csv", "0,Bark,/m/a\n")
    info = {
        "64760": {"title": "riff", "license": BY, "uploader": "Ann", "tags": [], "description": ""},
        "16399": {"title": "dog.wav", "license": ZERO, "uploader": "Bob"},
    }
    write(folder / "FSD50K.metadata" / "dev_clips_info_FSD50K.json", json.dumps(info))
    return folder


def arca23k(folder: Path) -> Path:
    truth = folder / "ARCA23K.ground_truth"
    write(truth / "train.csv", "fname,label,mid\n101,Piano,/m/p\n102,Rain,/m/r\n")
    write(truth / "val.csv", "fname,label,mid\n103,Rain,/m/r\n")
    write(truth / "test.csv", "fname,label,mid\n104,Piano,/m/p\n")
    (folder / "ARCA23K.audio").mkdir()
    return folder


def test_urbansound8k_has_ten_folds_of_sounds_and_the_recording_of_each(tmp_path):
    folder = urbansound8k(
        tmp_path,
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark",
        "100263-2-0-117.wav,100263,58.5,62.5,1,10,2,children_playing",
    )
    dog, children = event_clips(folder)
    assert dog.path == folder / "audio" / "fold5" / "100032-3-0-0.wav"
    assert (dog.fold, dog.label, dog.license) == (5, "dog_bark", "CC-BY-NC")
    assert dog.credit == {"source": "https://freesound.org/s/100032/"}
    assert children.path.parent.name == "fold10"


def test_fsd50k_has_its_splits_as_folds_and_the_license_of_every_clip(tmp_path):
    guitar, dog, rain, thunder = event_clips(fsd50k(tmp_path))
    assert [clip.fold for clip in (guitar, dog, rain, thunder)] == [1, 2, 1, 3]
    assert guitar.path == tmp_path / "FSD50K.dev_audio" / "64760.wav"
    assert thunder.path == tmp_path / "FSD50K.eval_audio" / "37199.wav"
    assert (guitar.license, dog.license, rain.license) == ("CC-BY", "CC0", "not stated")
    source = "https://freesound.org/s/64760/"
    credit = {"title": "riff", "artist": "Ann", "license": "CC-BY", "source": source}
    assert guitar.credit == credit


def test_a_clip_of_several_labels_keeps_them_all_and_draws_each_for_prompts(tmp_path):
    _, dog, rain, _ = event_clips(fsd50k(tmp_path))
    assert (dog.label, dog.labels) == ("Bark", ("Bark", "Dog", "Animal"))
    generator = np.random.default_rng(0)
    drawn = [dog.drawn_label(generator) for _ in range(300)]
    assert all(drawn.count(name) > 60 for name in dog.labels)
    assert rain.labels == ("Rain",)
    assert rain.drawn_label(generator) == "Rain"


def test_arca23k_takes_validation_and_test_from_fsd50k_beside_it(tmp_path):
    folder = arca23k(tmp_path / "ARCA23K")
    assert [(clip.path.stem, clip.fold) for clip in event_clips(folder)] == [("101", 1), ("102", 1)]
    dev = tmp_path / "FSD50K" / "FSD50K.dev_audio"
    dev.mkdir(parents=True)
    clips = event_clips(folder)
    assert [(clip.path.stem, clip.fold) for clip in clips] == [("101", 1), ("102", 1), ("103", 2)]
    assert clips[0].path == folder / "ARCA23K.audio" / "101.wav"
    assert clips[2].path.resolve() == (dev / "103.wav").resolve()
    assert (clips[0].label, clips[0].license) == ("Piano", "not stated")


def test_arca23k_takes_licenses_from_its_metadata(tmp_path):
    folder = arca23k(tmp_path)
    info = {"101": {"title": "Keys", "license": ZERO, "uploader": "Ann"}}
    write(folder / "ARCA23K.metadata" / "train.json", json.dumps(info))
    piano, rain = event_clips(folder)
    assert (piano.license, piano.credit["artist"], rain.license) == ("CC0", "Ann", "not stated")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ZERO, "CC0"),
        (BY, "CC-BY"),
        ("https://creativecommons.org/licenses/by-nc/3.0/", "CC-BY-NC"),
        ("http://creativecommons.org/licenses/by-nc-sa/4.0/", "CC-BY-NC-SA"),
        ("http://creativecommons.org/licenses/sampling+/1.0/", "CC-Sampling+"),
        ("Attribution", "CC-BY"),
        ("Attribution NonCommercial", "CC-BY-NC"),
        ("mine", "mine"),
    ],
)
def test_licenses_have_short_names(text, name):
    assert license_name(text) == name


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.wav,1,0,1,1,one,3,dog_bark", "fold 'one'"),
        ("a.wav,,0,1,1,1,3,dog_bark", "'fsID'"),
        ("../a.wav,1,0,1,1,1,3,dog_bark", "not the name of a file"),
    ],
)
def test_a_wrong_line_is_refused_in_one_sentence(tmp_path, line, message):
    with pytest.raises(InputError, match=message) as caught:
        event_clips(urbansound8k(tmp_path, line))
    assert "line 2" in str(caught.value)


def test_a_list_of_clips_that_is_no_table_is_refused(tmp_path):
    folder = fsd50k(tmp_path)
    write(folder / "FSD50K.metadata" / "dev_clips_info_FSD50K.json", "[1]")
    with pytest.raises(InputError, match="not a table of clips"):
        event_clips(folder)


def test_a_clip_without_a_label_is_refused(tmp_path):
    folder = fsd50k(tmp_path)
    write(folder / "FSD50K.ground_truth" / "eval.csv", 'fname,labels,mids\n1,",",x\n')
    with pytest.raises(InputError, match="'labels'"):
        event_clips(folder)


def test_another_folder_is_no_published_collection(tmp_path):
    assert published_clips(tmp_path) is None
