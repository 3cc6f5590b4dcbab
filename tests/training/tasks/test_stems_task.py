import pytest
import torch
from torch.nn import functional as F

from making_stems import cache, small_config, write_collection
from soundstage.corpora.stem_cache import KINDS
from soundstage.errors import InputError
from soundstage.networks.models.stem_unet import StemUNetConfig
from soundstage.separation.stems import load
from soundstage.training import load_recipe, train
from soundstage.training.data.stem_mixes import StemBatch, StemMixes
from soundstage.training.prepare import prepare
from soundstage.training.recipe_base import StemMixing
from soundstage.training.recipes import parse_recipe
from soundstage.training.tasks.stems import (
    embedding_loss,
    kind_accuracy,
    kind_loss,
    object_prototypes,
    open_stems,
)
from soundstage.weights.model import load_model

FRAMES = 48


@pytest.fixture(scope="module")
def batch():
    mixing = StemMixing(song_prob=1.0, drop_prob=0.0, old_prob=0.0)
    return StemMixes([cache()], 2, FRAMES, mixing, 0).draw(0)


def test_the_true_shares_have_the_least_loss(batch):
    true = batch.shares[:, :, : len(KINDS)].clamp(min=1e-6).log()
    wrong = true.roll(1, dims=2)
    assert (
        kind_loss(true, batch) < kind_loss(torch.zeros_like(true), batch) < kind_loss(wrong, batch)
    )
    assert kind_accuracy(true, batch) == 1
    assert kind_accuracy(wrong, batch) == 0


def test_an_accompaniment_does_not_choose_among_instruments(batch):
    shares = torch.zeros_like(batch.shares)
    shares[:, :, -1] = 1
    known = batch._replace(shares=shares)
    scores = torch.full_like(batch.shares[:, :, : len(KINDS)], -20.0)
    drums, objects, lead = (scores.clone() for _ in range(3))
    drums[:, :, KINDS.index("drums")] = 0
    objects[:, :, KINDS.index("object")] = 0
    lead[:, :, KINDS.index("lead")] = 0
    assert kind_loss(drums, known) == pytest.approx(float(kind_loss(objects, known)), abs=1e-4)
    assert kind_loss(lead, known) > 10


def vectors_of(owners, dim=16):
    """A unit vector for each stem, as an ideal embedding has it."""
    table = F.normalize(torch.eye(dim), dim=1)
    return table[owners.clamp(min=0)].movedim(-1, 2)


def test_one_vector_a_stem_is_the_best_embedding(batch):
    ideal, accuracy = embedding_loss(vectors_of(batch.owners), batch)
    assert accuracy > 0.999
    assert ideal < 0.01
    noise = F.normalize(torch.randn(*vectors_of(batch.owners).shape), dim=2)
    blind, chance = embedding_loss(noise, batch)
    assert chance < 0.6
    assert blind > 1


def test_a_stem_must_point_the_same_way_in_both_segments(batch):
    vectors = vectors_of(batch.owners)
    turned = vectors.clone()
    turned[:, 1] = turned[:, 1].roll(3, dims=1)
    assert embedding_loss(turned, batch)[1] < 0.5


def test_a_batch_without_owners_costs_nothing(batch):
    empty = StemBatch(batch.levels, batch.shares, torch.full_like(batch.owners, -1), batch.weights)
    loss, _ = embedding_loss(vectors_of(batch.owners), empty)
    assert loss == 0


def test_prototypes_are_unit_vectors_of_objects():
    mixing = StemMixing(song_prob=1.0, old_prob=0.0)
    batches = StemMixes([cache()], 2, FRAMES, mixing, 0)
    prototypes = object_prototypes(small_config().build().eval(), batches)
    assert 1 <= len(prototypes) <= 4
    assert torch.allclose(prototypes.norm(dim=1), torch.ones(len(prototypes)), atol=1e-5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collections")
    stems = [("a", "kit", "drums", 90), ("a", "sub", "bass", 55), ("a", "sax", "object", 700)]
    write_collection(folder / "band", [*stems, ("b", "voice", "lead", 300)], seconds=2)
    write_collection(folder / "held", stems, split="valid", seconds=2)
    output = tmp_path_factory.mktemp("levels")
    return folder, output, prepare(folder, output)


def test_prepare_writes_a_file_a_collection_and_keeps_it(prepared):
    folder, output, parts = prepared
    assert [part.path.name for part in parts] == ["band.safetensors", "valid.safetensors"]
    assert [part.recordings for part in parts] == [4, 3]
    assert not any(part.is_new for part in prepare(folder, output))
    dataset = open_stems(output)
    assert dataset.n_valid == 1
    assert "4 stems" in dataset.description
    assert dataset.facts()["licenses"] == {"CC0": 4}


def tiny_recipe():
    recipe = load_recipe("recipes/stems.yaml").model_dump()
    recipe |= {"channels": (4, 8, 8), "context_dim": 8, "frames": 64, "steps_per_epoch": 3}
    recipe["loop"] |= {"epochs": 2, "batch_size": 1, "precision": "float32"}
    return parse_recipe(recipe, source="tiny")


def test_a_training_writes_a_separator_with_its_card(prepared, tmp_path):
    _, levels, _ = prepared
    path = tmp_path / "small.safetensors"
    result = train(tiny_recipe(), levels, path)
    assert result.recordings == 4
    model = load_model(path, StemUNetConfig)
    assert model.config.channels == (4, 8, 8)
    song = load(str(path)).survey().finish()
    assert song.sources[0].name == "lead"
    card = result.card.read_text()
    assert '"hours"' in card
    assert '"accuracy"' in card


def test_a_folder_without_levels_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="contains no levels of stems"):
        open_stems(tmp_path)
