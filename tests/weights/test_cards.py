import hashlib
import subprocess
import sys

import pytest

from soundstage.errors import WeightsError
from soundstage.weights import list_models, model_card, model_path
from soundstage.weights.cards import FOLDER
from soundstage.weights.model import load_weights


@pytest.mark.parametrize("name", list_models())
def test_a_card_describes_its_file(name):
    card, content = model_card(name), model_path(name).read_bytes()
    assert card["name"] == name
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content)
    tensors = load_weights(name, card["family"]).tensors
    assert card["parameters"] == sum(tensor.numel() for tensor in tensors.values())
    for key in ("paper", "data", "recipe", "trained", "limits"):
        assert card[key]


def test_every_card_has_weights_and_all_weights_have_a_card():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(list_models())
    assert "masked" in list_models()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(WeightsError, match=r"'unknown'.*autoregressive.*wavenet"):
        model_card("unknown")


def test_cards_are_read_without_torch():
    program = (
        "import sys; from soundstage.weights import list_models, model_card; "
        "[model_card(name) for name in list_models()]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
