import numpy as np
import pytest
import soundfile

from soundstage.corpora.events import EventClip, event_clips, read_event, recordings
from soundstage.errors import InputError

HEADER = "file,fold,class,clip_licence,clip_author,clip_title,clip_url\n"


def write_manifest(folder, *lines):
    (folder / "manifest.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return folder


def write_official(folder, *lines):
    (folder / "meta").mkdir()
    header = "filename,fold,target,category,esc10,src_file,take\n"
    (folder / "meta" / "esc50.csv").write_text(header + "".join(f"{line}\n" for line in lines))
    return folder


def test_a_manifest_gives_fold_class_license_and_credit(tmp_path):
    folder = write_manifest(tmp_path, "a/one.wav,3,dog,CC0,Somebody,Dogs,http://x/1")
    credit = {"title": "Dogs", "artist": "Somebody", "license": "CC0", "source": "http://x/1"}
    path = (tmp_path / "a" / "one.wav").resolve()
    assert event_clips(folder) == [EventClip(path, 3, "dog", "CC0", credit)]


def test_a_clip_without_a_license_has_that_of_the_collection(tmp_path):
    text = "file,fold,class,license\none.wav,1,dog,CC-BY-NC\ntwo.wav,1,cat,\n"
    (tmp_path / "manifest.csv").write_text(text)
    assert [clip.license for clip in event_clips(tmp_path)] == ["CC-BY-NC", "not stated"]


def test_in_the_official_layout_only_the_clips_of_esc10_are_cc_by(tmp_path):
    folder = write_official(
        tmp_path,
        "1-100032-A-0.wav,1,0,dog,True,100032,A",
        "5-9032-A-9.wav,5,9,crow,False,9032,A",
    )
    dog, crow = event_clips(folder)
    assert (dog.path, dog.fold, dog.label) == (folder / "audio" / "1-100032-A-0.wav", 1, "dog")
    assert (dog.license, crow.license, crow.fold) == ("CC-BY", "CC-BY-NC", 5)


def test_a_recording_with_several_clips_is_credited_once(tmp_path):
    folder = write_manifest(
        tmp_path,
        "1-A.wav,1,dog,CC0,Ann,Dogs,http://x/1",
        "1-B.wav,1,dog,CC0,Ann,Dogs,http://x/1",
        "2-A.wav,1,dog,CC-BY,Ann,Dogs,http://x/2",
    )
    assert [credit["source"] for credit in recordings(event_clips(folder))] == [
        "http://x/1",
        "http://x/2",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("one.wav,first,dog,CC0,,,", "fold 'first'"),
        ("one.wav,1,,CC0,,,", "'class'"),
        ("one.wav,,dog,CC0,,,", "'fold'"),
    ],
)
def test_a_list_with_a_missing_value_is_refused_in_one_sentence(tmp_path, line, message):
    with pytest.raises(InputError, match=message) as caught:
        event_clips(write_manifest(tmp_path, line))
    assert "\n" not in str(caught.value)


def test_an_official_list_without_a_column_is_refused(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text("filename,fold\na.wav,1\n")
    with pytest.raises(InputError, match="'category'"):
        event_clips(tmp_path)


def test_a_folder_without_a_list_is_refused(tmp_path):
    (tmp_path / "deeper").mkdir()
    with pytest.raises(InputError, match=r"no labeled events"):
        event_clips(tmp_path / "deeper")


def test_an_empty_list_is_refused(tmp_path):
    with pytest.raises(InputError, match="no clip"):
        event_clips(write_manifest(tmp_path))


def test_a_clip_is_resampled_and_mixed_to_mono(tmp_path):
    time = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, 0 * tone], axis=1), 44_100, "FLOAT")
    sound = read_event(tmp_path / "a.wav", 16_000)
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert sound.shape == (16_000,)
    assert np.abs(sound - expected)[100:-100].max() < 1e-3
