import pytest
import torch

from soundstage.networks.models.prompt_encoder import (
    PAD,
    START,
    UNKNOWN,
    PromptEncoder,
    vocabulary_of,
    words_of,
)

WORDS = vocabulary_of(["EVENT: dog & LOCATION: right rear", "DOA 90"])


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PromptEncoder(WORDS, 16, 8).eval()


def test_words_are_in_lower_case_without_punctuation():
    assert words_of("EVENT: Clock_tick, 12 o' clock!") == [
        "event",
        "clock",
        "tick",
        "12",
        "o",
        "clock",
    ]
    assert vocabulary_of(["b a", "A c"]) == ("a", "b", "c")


def test_prompts_start_with_a_token_and_are_padded(encoder):
    ids = encoder.token_ids(["dog 90", ""])
    assert ids.shape == (2, 8)
    assert ids[0, 0] == ids[1, 0] == START
    assert (ids[0, 3:] == PAD).all()
    assert (ids[1, 1:] == PAD).all()
    assert ids[0, 1] != ids[0, 2]


def test_unknown_words_share_a_token(encoder):
    ids = encoder.token_ids(["zebra dog"])[0]
    assert ids[1] == UNKNOWN
    assert ids[2] not in (PAD, START, UNKNOWN)


def test_a_prompt_too_long_is_cut(encoder):
    assert (encoder.token_ids(["dog " * 50]) != PAD).all()


@torch.no_grad()
def test_padding_changes_nothing(encoder):
    ids = encoder.token_ids(["dog right"])
    short, used = encoder(ids[:, :4])
    long, _ = encoder(ids)
    assert used.tolist() == [[True, True, True, False]]
    assert torch.allclose(short[:, :3], long[:, :3], atol=1e-5)


@torch.no_grad()
def test_the_order_of_words_matters(encoder):
    one, _ = encoder(encoder.token_ids(["right rear"]))
    other, _ = encoder(encoder.token_ids(["rear right"]))
    assert not torch.allclose(one[:, 1], other[:, 2], atol=1e-3)


@torch.no_grad()
def test_words_are_read_in_their_context(encoder):
    one, _ = encoder(encoder.token_ids(["dog right"]))
    other, _ = encoder(encoder.token_ids(["dog rear"]))
    assert not torch.allclose(one[:, 1], other[:, 1], atol=1e-4)
