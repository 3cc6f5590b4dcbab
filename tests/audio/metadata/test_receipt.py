"""Every container: what a rich source holds arrives, or the receipt says why not."""

import struct
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import RATE, read_all
from rich_metadata import BACK, CONTAINERS, COVER, FRAMES, RICH, TAGS, write_rich
from soundstage.audio import Metadata, SoundFormat, read_metadata
from soundstage.audio.metadata import Block, Chapter, Marker, Picture
from soundstage.audio.metadata.bext import as_tags
from soundstage.audio.metadata.carrying import of_the_result
from soundstage.audio.metadata.model import Lost
from soundstage.audio.metadata.receipt import make_receipt

ALL_TAGS = ("wav", "rf64", "aiff", "caf", "flac", "mp3", "ogg", "opus", "m4a", "mov", "mka", "webm")
WITH_PICTURES = ("wav", "rf64", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "mov", "mka", "mkv")
WITH_CHAPTERS = (*WITH_PICTURES, "webm")
JOINED = ("caf", "mka", "mkv", "webm")  # several values become one text


def things(metadata: Metadata) -> int:
    """The number of things that a receipt must name."""
    return (
        len([name for name in metadata.tags if name != "encoder"])
        + len(metadata.pictures)
        + bool(metadata.chapters)
        + bool(metadata.markers)
        + bool(metadata.bext)
        + len(metadata.blocks)
        + len(metadata.streams)
    )


def booked(receipt) -> int:
    """The number of things that a receipt names."""
    number = 0
    # What only a field of bext lacks stays as a tag, and is counted there
    lost = [each.what for each in receipt.lost if not each.what.endswith(" in bext")]
    for line in (*receipt.carried, *lost):
        if line.startswith("notes and lengths"):
            continue
        first, _, rest = line.partition(" ")
        if rest in ("tag", "tags"):
            number += int(first)
        elif first == "tags":
            number += rest.count(", ") + 1
        else:
            number += 1
    return number


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_nothing_is_in_neither_list(tmp_path, suffix):
    receipt = write_rich(tmp_path / f"a.{suffix}").receipt
    form = SoundFormat({"wav": "WAV", "rf64": "RF64"}.get(suffix, "FLAC"), "PCM_16")
    wanted, _ = of_the_result(RICH, form, source_rate=RATE, rate=RATE, channels=2)
    assert booked(receipt) == things(wanted)
    assert all(lost.why for lost in receipt.lost)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_the_sound_is_the_same_with_and_without_metadata(tmp_path, suffix):
    write_rich(tmp_path / f"a.{suffix}")
    write_rich(tmp_path / f"b.{suffix}", None)
    rich, plain = read_all(tmp_path / f"a.{suffix}"), read_all(tmp_path / f"b.{suffix}")
    assert rich.shape == (2, FRAMES)
    assert (rich == plain).all()


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_equal_sounds_make_equal_files(tmp_path, suffix):
    for name in "ab":
        write_rich(tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ALL_TAGS)
def test_every_tag_arrives(tmp_path, suffix):
    write_rich(tmp_path / f"a.{suffix}")
    held = {name.casefold(): v for name, v in read_metadata(tmp_path / f"a.{suffix}").tags.items()}
    for name, values in TAGS.items():
        expected = ("; ".join(values),) if suffix in JOINED else values
        key = name.casefold()
        if suffix in ("mka", "webm"):
            key = key.replace(" ", "_")
        assert held[key] == expected, name


@pytest.mark.parametrize("suffix", WITH_PICTURES)
def test_pictures_arrive(tmp_path, suffix):
    receipt = write_rich(tmp_path / f"a.{suffix}").receipt
    pictures = read_metadata(tmp_path / f"a.{suffix}").pictures
    assert [picture.data for picture in pictures] == [COVER, BACK]
    assert all(picture.mime == "image/png" for picture in pictures)
    assert "cover art (PNG, 3 kB)" in receipt.carried


@pytest.mark.parametrize("suffix", WITH_CHAPTERS)
def test_chapters_arrive(tmp_path, suffix):
    write_rich(tmp_path / f"a.{suffix}")
    chapters = read_metadata(tmp_path / f"a.{suffix}").chapters
    assert [chapter.title for chapter in chapters] == ["One", "Zwei é"]
    assert [chapter.start for chapter in chapters] == pytest.approx([0, 0.25], abs=0.002)


@pytest.mark.parametrize("suffix", ["wav", "rf64", "aiff", "caf"])
def test_markers_arrive(tmp_path, suffix):
    receipt = write_rich(tmp_path / f"a.{suffix}").receipt
    markers = read_metadata(tmp_path / f"a.{suffix}").markers
    assert [(marker.frame, marker.label) for marker in markers] == [
        (100, "start"),
        (20_000, "verse"),
    ]
    if suffix in ("wav", "rf64"):
        assert markers == RICH.markers
    else:
        assert "notes and lengths of cue points" in [lost.what for lost in receipt.lost]


@pytest.mark.parametrize("suffix", ["wav", "rf64"])
def test_chunks_of_wav_arrive(tmp_path, suffix):
    write_rich(tmp_path / f"a.{suffix}")
    held = read_metadata(tmp_path / f"a.{suffix}")
    blocks = {block.name: block.data.rstrip(b"\0") for block in held.blocks}
    for block in RICH.blocks:
        assert blocks[block.name] == block.data.rstrip(b"\0")
    fields, before = as_tags(held.bext), as_tags(RICH.bext)
    history = fields.pop("coding_history")
    assert history.splitlines() == [
        before.pop("coding_history"),
        f"A=PCM,F={RATE},W=16,M=stereo,T=Soundstage",
    ]
    assert fields == before


def test_bext_survives_a_container_without_it(tmp_path):
    write_rich(tmp_path / "a.flac")
    there = read_metadata(tmp_path / "a.flac")
    assert there.tags["originator"] == ("ORF",)
    write_rich(tmp_path / "b.wav", there)
    fields = as_tags(read_metadata(tmp_path / "b.wav").bext)
    assert fields["time_reference"] == "48000"
    assert fields["originator_reference"] == "ATORF123"
    assert fields["coding_history"].startswith("A=ANALOGUE")
    assert b"<TAKE>3</TAKE>" in next(
        block.data for block in read_metadata(tmp_path / "b.wav").blocks if block.name == "iXML"
    )


def test_what_a_container_cannot_hold_is_named_with_the_reason(tmp_path):
    receipt = write_rich(tmp_path / "a.ogg").receipt
    assert "2 cue points: Ogg files cannot hold them" in receipt.not_carried
    receipt = write_rich(tmp_path / "a.au").receipt
    assert "cover art (PNG, 3 kB): AU files cannot hold pictures" in receipt.not_carried
    assert any(line.startswith("tags title, artist") for line in receipt.not_carried)


@pytest.mark.parametrize(
    "name",
    ["replaygain_track_gain", "REPLAYGAIN_ALBUM_PEAK", "R128_TRACK_GAIN", "comment:iTunNORM"],
)
def test_gains_measured_on_the_source_are_left_out_and_named(tmp_path, name):
    receipt = write_rich(tmp_path / "a.flac", Metadata(tags={name: ("-3 dB",)})).receipt
    assert set(read_metadata(tmp_path / "a.flac").tags) == {"encoder"}
    assert receipt.lost == (
        Lost(f"tag {name}", "the result has another loudness and peak, measure it again"),
    )


def test_the_line_about_the_software_names_both_and_does_not_grow(tmp_path):
    held = Metadata(tags={"encoder": ("Tape machine 2",)})
    for turn in range(3):
        write_rich(tmp_path / f"{turn}.flac", held)
        held = read_metadata(tmp_path / f"{turn}.flac")
        assert held.made_by_soundstage
        assert held.tags["encoder"][0].endswith("; source: Tape machine 2")
    assert held.tags["encoder"][0].count("Soundstage") == 1


def test_results_are_recognized_in_every_container_with_tags(tmp_path):
    for suffix in ALL_TAGS:
        write_rich(tmp_path / f"a.{suffix}", Metadata())
        assert read_metadata(tmp_path / f"a.{suffix}").made_by_soundstage, suffix
    write_rich(tmp_path / "b.flac", None)
    assert not read_metadata(tmp_path / "b.flac").made_by_soundstage


def test_positions_follow_the_sample_rate(tmp_path):
    write_rich(tmp_path / "a.wav", RICH, source_rate=RATE)
    at_half = replace(RICH, rate=RATE // 2)
    write_rich(tmp_path / "b.wav", at_half)
    held = read_metadata(tmp_path / "b.wav")
    assert [(m.frame, m.length) for m in held.markers] == [(200, 0), (40_000, 1000)]
    assert as_tags(held.bext)["time_reference"] == "96000"


def test_the_raw_cue_chunk_is_not_scaled_twice(tmp_path):
    write_rich(tmp_path / "a.wav")
    source = read_metadata(tmp_path / "a.wav")
    assert any(block.name == "cue " for block in source.blocks)
    write_rich(tmp_path / "b.wav", replace(source, rate=RATE // 2))
    assert [m.frame for m in read_metadata(tmp_path / "b.wav").markers] == [200, 40_000]
    write_rich(tmp_path / "c.wav", source)
    assert read_metadata(tmp_path / "c.wav").markers == source.markers


def test_a_writer_without_metadata_writes_none(tmp_path):
    writer = write_rich(tmp_path / "a.wav", None)
    assert writer.receipt.carried == writer.receipt.lost == ()
    assert read_metadata(tmp_path / "a.wav") == Metadata(rate=RATE)


BLOCKS = {"RIFF": "abcd", "AIFF": "APPL", "FLAC": "APPLICATION", "ID3": "PRIV", "MP4": "rate"}
text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
metadata = st.builds(
    Metadata,
    tags=st.dictionaries(
        st.sampled_from([*TAGS, "TXXX", "Größe", "a=b", "x" * 300, "IKEY", "XMP", "originator"]),
        st.lists(text, min_size=1, max_size=3).map(tuple),
        max_size=6,
    ),
    pictures=st.lists(
        st.builds(
            Picture,
            st.binary(min_size=1, max_size=50),
            st.sampled_from(["image/png", "image/jpeg", "image/webp", "-->"]),
            st.integers(0, 20),
            text,
        ),
        max_size=2,
    ).map(tuple),
    chapters=st.lists(
        st.builds(Chapter, st.integers(0, 600).map(lambda t: t / 1000), st.none(), text), max_size=3
    ).map(lambda found: tuple(sorted(found, key=lambda chapter: chapter.start))),
    markers=st.lists(st.builds(Marker, st.integers(0, 30_000), text, text), max_size=3).map(
        lambda found: tuple(sorted(found, key=lambda marker: marker.frame))
    ),
    blocks=st.lists(
        st.builds(
            lambda family, data: Block(family, BLOCKS[family], data),
            st.sampled_from(sorted(BLOCKS)),
            st.binary(min_size=1, max_size=9),
        ),
        max_size=2,
    ).map(tuple),
    rate=st.just(RATE),
)


@pytest.mark.long
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata=metadata)
@pytest.mark.parametrize("suffix", [s for s in CONTAINERS if s not in ("mkv", "rf64")])
def test_any_metadata_is_written_or_named(tmp_path_factory, suffix, metadata):
    path = tmp_path_factory.mktemp("any") / f"a.{suffix}"
    cleaned = replace(metadata, tags=Metadata.from_tags(metadata.tags).tags)
    receipt = write_rich(path, cleaned).receipt
    names = {"wav": "WAV"}
    form = SoundFormat(names.get(suffix, "FLAC"), "PCM_16")
    wanted, _ = of_the_result(cleaned, form, source_rate=RATE, rate=RATE, channels=2)
    assert booked(receipt) == things(wanted)


def test_a_false_claim_is_impossible():
    wanted = Metadata(tags={"title": ("x",)}, pictures=(Picture(b"1", "image/png"),))
    receipt = make_receipt(wanted, Metadata(), "FLAC")
    assert receipt.carried == ()
    assert [lost.what for lost in receipt.lost] == ["tag title", "cover art (PNG, 1 bytes)"]


def test_blocks_that_count_samples_are_left_out_at_another_rate(tmp_path):
    sheet = Metadata(blocks=(Block("FLAC", "CUESHEET", bytes(433)),))
    receipt = write_rich(tmp_path / "a.flac", sheet, source_rate=RATE // 2).receipt
    assert receipt.not_carried == ("CUESHEET block: its positions count samples of another rate",)
    assert write_rich(tmp_path / "b.flac", sheet, source_rate=RATE).receipt.lost == ()


def test_loops_follow_the_sample_rate(tmp_path):
    loop = struct.pack("<6I", 1, 0, 100, 200, 0, 0)
    smpl = struct.pack("<9I", 0, 0, 41667, 60, 0, 0, 0, 1, 0) + loop
    source = Metadata(blocks=(Block("RIFF", "smpl", smpl),))
    write_rich(tmp_path / "a.wav", source, source_rate=RATE // 2)
    (block,) = read_metadata(tmp_path / "a.wav").blocks
    assert struct.unpack_from("<I", block.data, 8)[0] == 20_833
    assert struct.unpack_from("<2I", block.data, 44) == (200, 400)


@pytest.mark.parametrize("suffix", ["m4a", "mka"])
def test_a_picture_that_is_only_an_address_is_named(tmp_path, suffix):
    link = Metadata(pictures=(Picture(b"https://example.org/a.png", "-->"),))
    receipt = write_rich(tmp_path / f"a.{suffix}", link).receipt
    assert [lost.why.partition(" files ")[2] for lost in receipt.lost] == [
        "hold no addresses of pictures"
    ]
    assert write_rich(tmp_path / "a.flac", link).receipt.lost == ()
