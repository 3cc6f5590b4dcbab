import json

from soundstage.documents import list_pages
from soundstage.upmixing import list_styles
from soundstage.upmixing.place_words import PLACE_WORDS, SOURCE_WORDS


def test_pages_are_listed_and_printed(command):
    code, out, _ = command("docs")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(list_pages())
    code, out, _ = command("docs", "style")
    assert code == 0
    assert out.startswith("# Styles")
    assert "soundstage upmix demo.wav --style" in out
    code, out, _ = command("docs", "style", "--path")
    assert out.rstrip().endswith("style.md")


def test_an_unknown_page_is_refused(command):
    code, out, err = command("docs", "none")
    assert (code, out) == (2, "")
    assert "the pages are" in err


def test_every_style_is_listed(command):
    code, out, _ = command("styles")
    assert code == 0
    assert all(name in out for name in list_styles())
    assert "width           0.1 to 3" in out
    code, out, _ = command("styles", "--json")
    assert json.loads(out)["words"]["wide"]["values"] == {"width": 1.91}


def test_a_recipe_is_found_by_its_name(command, tmp_path):
    arguments = ("--data", str(tmp_path), "--output", str(tmp_path / "a.safetensors"))
    code, _, err = command("train", "nearest", *arguments)
    assert code == 2
    assert "no stereo file" in err or "no sound files" in err
    code, _, err = command("train", "none", *arguments)
    assert code == 2
    assert "There is no recipe 'none'" in err
    code, _, err = command("train", "none.yaml", *arguments)
    assert code == 2
    assert "none.yaml: cannot be read (there is no such file)" in err


def test_every_place_and_source_is_listed(command):
    code, out, _ = command("styles")
    assert code == 0
    assert all(name in out for name in (*PLACE_WORDS, *SOURCE_WORDS))
    code, out, _ = command("styles", "--json")
    assert json.loads(out)["places"]["left"]["pan_db"] == 8
    assert json.loads(out)["sources"]["drums"] == ["drums"]
