import sys

import pytest
import torch

from making_dualspec import save_t5, unet_config
from soundstage.errors import OptionError, WeightsError
from soundstage.scene.dualspec.flan_t5 import FlanT5

pytest.importorskip("transformers")
pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_t5(tmp_path_factory.mktemp("t5"), 16)


def test_prompts_become_vectors_and_a_mask(folder):
    encoder = FlanT5(str(folder), 8)
    text, used = encoder(["EVENT dog LOCATION DOA 90", ""])
    assert encoder.dim == 16
    assert text.shape == (2, 8, 16)
    assert text.dtype == torch.float32
    assert used.sum(dim=1).tolist() == [6, 1]  # with the end mark; an empty prompt is that alone
    assert not text.requires_grad


def test_padding_and_other_prompts_change_nothing(folder):
    one, used = FlanT5(str(folder), 8)(["EVENT dog", "DOA 90"])
    other, _ = FlanT5(str(folder), 5)(["EVENT dog"])
    assert torch.allclose(one[0, used[0]], other[0, :3], atol=1e-5)


def test_words_matter_in_their_context(folder):
    text, _ = FlanT5(str(folder), 8)(["DOA 90", "DOA 270"])
    assert not torch.allclose(text[0, 0], text[1, 0], atol=1e-4)


def test_many_prompts_are_encoded_in_parts(folder):
    encoder = FlanT5(str(folder), 4)
    text, used = encoder(["dog"] * 150)
    assert text.shape == (150, 4, 16)
    assert len(used) == 150


def test_a_network_without_words_trains_on_its_vectors(folder):
    config = unet_config("dualspec").__class__(
        **{**unet_config("dualspec").__dict__, "vocabulary": (), "text_encoder": str(folder)}
    )
    network = config.build()
    assert network.prompt_encoder is None
    image = torch.randn(2, *config.image_shape)
    text, used = FlanT5(str(folder), 8)(["EVENT dog", ""])
    assert network(image, torch.tensor([0.1, 0.9]), text, used).shape == image.shape


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(OptionError, match="no such folder; for a model on the hub write hub:"):
        FlanT5(str(tmp_path / "none"), 8)


def test_a_folder_without_a_model_is_a_sentence(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read as a T5"):
        FlanT5(str(tmp_path), 8)


def test_without_transformers_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(OptionError, match="pip install transformers"):
        FlanT5(str(tmp_path), 8)
