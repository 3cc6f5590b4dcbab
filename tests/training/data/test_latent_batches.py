from collections import Counter

import pytest
import torch

from making_dualspec import SHAPES, unet_config
from soundstage.corpora.spatial_events import AZIMUTHS
from soundstage.diffusion import Objective
from soundstage.networks.models.latent_unet import LATENTS
from soundstage.training.data.latent_batches import Dropout, FrozenText, LatentBatches

LABELS = [0, 0, 0, 1]
TAKES = 2


def prompts_as_text(prompts):
    """A condition that keeps the prompts readable."""
    return (torch.tensor([list(prompt.encode().ljust(80)) for prompt in prompts]),)


def text_of(condition):
    return [bytes(row.tolist()).decode().strip() for row in condition]


def batches(variant="dualspec", dropout=None, **changes):
    """Latents with the number of their clip, take and azimuth in all elements."""
    config = unet_config(variant)
    azimuths = 1 if variant == "mono-mel" else len(AZIMUTHS)
    marks = torch.arange(len(LABELS))[:, None, None] * 100 + torch.arange(TAKES)[:, None] * 50
    marks = (marks + torch.arange(azimuths)).float()[..., None, None, None]
    latents = [marks.expand(-1, -1, -1, *SHAPES[kind]).half() for kind in LATENTS[variant]]
    objective = Objective(config.schedule, config.parametrization)
    fields = {"batch_size": 32, "seed": 0, **changes}
    return LatentBatches(
        config, latents, LABELS, objective, prompts_as_text, dropout or Dropout(), **fields
    )


def examples(source, steps):
    """(mark, prompt) of examples: state = (1 − t)·x + t·ε and target = ε − x give x."""
    for step in range(steps):
        state, times, target, condition = source.draw(step)
        clean = state - times[:, None, None, None] * target
        marks = clean.mean(dim=(1, 2, 3)).round().int().tolist()
        yield from zip(marks, text_of(condition), strict=True)


def test_a_step_has_the_same_batch_in_every_call():
    first, again, other = (batches().draw(step) for step in (3, 3, 4))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_prompts_name_the_class_and_the_azimuth_of_the_latents():
    kinds = Counter()
    for mark, prompt in examples(batches(), 8):
        clip, place = divmod(mark, 50)
        event, location = prompt.split(" & LOCATION: ")
        assert event == f"EVENT: {('dog', 'rain')[LABELS[clip // 2]]}"
        kinds[location.split()[0] == "DOA", "clock" in location] += 1
        if location.startswith("DOA"):
            assert location == f"DOA {AZIMUTHS[place]}"
    assert len(kinds) == 3  # DOA, clock, general description
    assert min(kinds.values()) > 50


def test_classes_clips_takes_and_azimuths_are_equally_likely():
    marks = [mark for mark, _ in examples(batches(batch_size=256), 8)]
    clips = Counter(mark // 100 for mark in marks)
    assert clips[3] == pytest.approx(len(marks) / 2, rel=0.1)  # the only clip of its class
    assert clips[0] == pytest.approx(len(marks) / 6, rel=0.2)
    assert Counter(mark % 100 // 50 for mark in marks)[1] == pytest.approx(len(marks) / 2, rel=0.1)
    places = Counter(mark % 50 for mark in marks)
    assert len(places) == len(AZIMUTHS)
    assert max(places.values()) < 1.5 * min(places.values())


def test_some_prompts_are_empty_and_some_have_no_location():
    source = batches(dropout=Dropout(prompt=0.25, direction=0.25), batch_size=256)
    prompts = [prompt for _, prompt in examples(source, 4)]
    empty = sum(not prompt for prompt in prompts) / len(prompts)
    alone = sum(bool(prompt) and "LOCATION" not in prompt for prompt in prompts) / len(prompts)
    assert empty == pytest.approx(0.25, abs=0.05)
    assert alone == pytest.approx(0.25, abs=0.05)


def test_mono_prompts_have_no_location():
    prompts = {prompt for _, prompt in examples(batches("mono-mel"), 2)}
    assert prompts == {"EVENT: dog", "EVENT: rain"}


def test_an_epoch_has_as_many_examples_as_there_are_latents():
    assert batches().per_epoch == len(LABELS) * TAKES * 12 // 32
    assert batches("mono-mel").per_epoch == 1


def test_a_frozen_encoder_reads_each_prompt_once():
    asked = []

    def encoder(prompts):
        asked.extend(prompts)
        lengths = torch.tensor([float(len(prompt)) for prompt in prompts])
        return lengths[:, None, None].expand(-1, 2, 3), torch.ones(len(prompts), 2) > 0

    text = FrozenText(encoder)
    for _ in range(2):
        features, used = text(["ab", "", "ab", "c"])
        assert features[:, 0, 0].tolist() == [2, 0, 2, 1]
        assert used.shape == (4, 2)
    assert asked == ["ab", "", "c"]
