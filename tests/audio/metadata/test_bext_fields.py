"""Tags that become fields of bext, which have a fixed size: what does not fit is named."""

import pytest

from rich_metadata import write_rich
from soundstage.audio import Metadata, read_metadata
from soundstage.audio.metadata.bext import as_tags

LONG = "Österreichischer Rundfunk, Landesstudio Wien"


@pytest.mark.parametrize("suffix", ["wav", "rf64"])
def test_the_end_of_a_long_field_is_named_though_the_tag_stays(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    receipt = write_rich(path, Metadata(tags={"originator": (LONG,)})).receipt
    assert receipt.not_carried == (
        "the end of originator in bext: the field has 32 bytes, the whole text stays as a tag",
    )
    found = read_metadata(path)
    assert found.tags["originator"] == (LONG,)
    assert as_tags(found.bext)["originator"] == LONG.encode()[:32].decode()


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"originator": ("ORF", "SWR")}, "further values of originator in bext"),
        ({"time_reference": ("noon",)}, "time_reference in bext"),
        ({"time_reference": (str(1 << 64),)}, "time_reference in bext"),
        ({"originator": ("ORF",), "origination_date": ("20 January 1961",)}, "the end of"),
    ],
)
def test_values_that_no_field_can_hold_are_named_and_stay_as_tags(tmp_path, tags, what):
    receipt = write_rich(tmp_path / "a.wav", Metadata(tags=tags)).receipt
    assert len(receipt.lost) == 1
    assert receipt.lost[0].what.startswith(what)
    name = list(tags)[-1]
    assert read_metadata(tmp_path / "a.wav").tags[name] == tags[name]


def test_fields_that_fit_need_no_word(tmp_path):
    tags = {
        "description": ("d" * 256,),
        "originator": ("o" * 32,),
        "origination_date": ("1961-01-20",),
        "time_reference": ("0",),
        "coding_history": ("A=ANALOGUE\nA=PCM",),
    }
    receipt = write_rich(tmp_path / "a.wav", Metadata(tags=tags)).receipt
    assert receipt.lost == ()


def test_further_values_of_ixml_stay_as_a_tag(tmp_path):
    write_rich(tmp_path / "a.wav", Metadata(tags={"iXML": ("<BWFXML/>", "<other/>")}))
    found = read_metadata(tmp_path / "a.wav")
    assert [block.name for block in found.blocks] == ["iXML"]
    assert found.tags["iXML"] == ("<other/>",)
