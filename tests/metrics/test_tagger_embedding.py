import time

import pytest
import torch
from safetensors.torch import load_file

from sounds import drums, noise, song
from soundstage.errors import WeightsError
from soundstage.metrics.embeddings.built_in import SIZE, STEP, WINDOW, TaggerEmbedding
from soundstage.weights import model_card, model_path
from soundstage.weights.model import save_weights


@pytest.fixture(scope="module")
def embedding():
    return TaggerEmbedding()


def test_it_says_what_it_is(embedding):
    assert (embedding.name, embedding.rate, embedding.size) == ("tagger", 16_000, 128)


@pytest.mark.parametrize(
    ("frames", "count"),
    [(1, 1), (WINDOW, 1), (WINDOW + STEP - 1, 1), (WINDOW + STEP, 2), (10 * STEP, 9)],
)
def test_a_window_begins_every_half_window(embedding, frames, count):
    assert embedding.embed(noise(2 * frames).view(2, frames)).shape == (2, count, SIZE)


def test_short_sound_is_padded_with_silence(embedding):
    sound = noise(10_000)[None]
    padded = torch.nn.functional.pad(sound, (0, WINDOW - 10_000))
    assert torch.equal(embedding.embed(sound), embedding.embed(padded))


def test_a_window_is_heard_alike_whatever_lies_around_it(embedding):
    sound = song(8 * STEP, rate=16_000)[None]
    whole = embedding.embed(sound)
    later = embedding.embed(sound[:, 3 * STEP :])
    assert torch.allclose(whole[:, 3:], later, atol=1e-4)


def test_what_else_is_in_the_batch_does_not_matter(embedding):
    one, other = song(5 * STEP, rate=16_000), noise(5 * STEP)
    both = embedding.embed(torch.stack([one, other]))
    assert torch.allclose(both[:1], embedding.embed(one[None]), atol=1e-4)
    assert torch.allclose(both[1:], embedding.embed(other[None]), atol=1e-4)


def test_the_same_sound_gives_the_same_numbers(embedding):
    sound = drums(4 * STEP)[None]
    assert torch.equal(embedding.embed(sound), TaggerEmbedding().embed(sound))


def test_silence_has_an_embedding(embedding):
    points = embedding.embed(torch.zeros(1, 3 * WINDOW))
    assert bool(points.isfinite().all())
    assert torch.allclose(points[0, 0], points[0, -1], atol=1e-4)


def test_like_lies_nearer_than_unlike(embedding):
    kinds = [noise, drums]
    points = torch.stack(
        [embedding.embed(kind(WINDOW, seed=s)[None])[0, 0] for kind in kinds for s in (1, 2)]
    )
    apart = torch.cdist(points, points)
    assert float(apart[0, 1]) < 0.5 * float(apart[0, 2])
    assert float(apart[2, 3]) < 0.5 * float(apart[2, 0])


def test_four_signals_of_thirty_seconds_take_little_time(embedding):
    sound = noise(4 * 30 * 16_000).view(4, -1)
    embedding.embed(sound[:, :WINDOW])
    before, start = torch.get_num_threads(), time.process_time()
    torch.set_num_threads(1)
    embedding.embed(sound)
    torch.set_num_threads(before)
    assert time.process_time() - start < 3  # 1.5 s on an idle core; others may share this one


def test_the_card_states_accuracy_size_and_both_licenses():
    card = model_card("tagger")
    assert card["test"]["folds"] == [4]
    assert card["test"]["clips"] == 397
    assert card["test"]["accuracy"] >= 0.65
    assert card["bytes"] == model_path("tagger").stat().st_size <= 6e6
    assert set(card["licenses"]) == {"CC0", "CC-BY"}
    assert "CC BY-NC 3.0" in card["licence_reading"]
    assert sum(card["licenses"].values()) == card["trained"]["clips"]
    assert {credit["license"] for credit in card["credits"]} == {"CC0", "CC-BY"}


def spoilt(tmp_path, **changes):
    tensors = load_file(model_path("tagger"))
    tensors.update({name.replace("/", "."): value for name, value in changes.items()})
    path = tmp_path / "spoilt.safetensors"
    save_weights(path, "tagger", {k: v for k, v in tensors.items() if v is not None})
    return str(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"embedding/weight": torch.zeros(64, 256).half()}, "embedding.weight"),
        ({"stem/0/weight": None}, "stem.0.weight"),
        ({"stages/1/down/0/weight": None}, "stages"),
        ({"stages/0/deeper/0/1/running_var": torch.full((64,), torch.nan).half()}, "no number"),
        ({"classes/weight": torch.zeros(50, 128)}, "classes.weight"),
    ],
)
def test_spoilt_weights_are_refused_in_one_sentence(tmp_path, changes, says):
    with pytest.raises(WeightsError, match=says) as caught:
        TaggerEmbedding(spoilt(tmp_path, **changes))
    assert "\n" not in str(caught.value)
