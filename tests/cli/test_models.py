import json

from soundstage.upmixing import METHODS


def test_every_method_is_listed_and_one_is_the_default(command):
    code, out, _ = command("models")
    assert code == 0
    assert all(name in out for name in METHODS)
    assert out.count("(default)") == 1


def test_json_has_the_cards(command):
    code, out, _ = command("models", "--json")
    listed = json.loads(out)
    assert code == 0
    assert [method["name"] for method in listed["methods"]] == list(METHODS)
    for card in listed["weights"].values():
        assert {"paper", "data", "limits", "licenses", "recipe", "sha256"} <= set(card)
