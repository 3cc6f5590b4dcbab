"""Free words matched to the names of events."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundstage.errors import OptionError
from soundstage.scene.sources import event_names
from soundstage.scene.sources.event_names import (
    MIN_SCORE,
    is_texture,
    match_event,
    require_event,
    stems,
    synonyms,
)
from soundstage.scene.sources.word_embeddings import has_word_embeddings

PHRASES = json.loads(Path(__file__).with_name("event_phrases.json").read_text())
LABELS = list(PHRASES["events"])


@pytest.fixture
def without_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_names, "phrase_similarities", lambda *_: np.zeros(0))


def hits(best: int) -> float:
    """Part of the phrases with their label among the best matches."""
    found = [
        label in [match.label for match in match_event(phrase, LABELS)[:best]]
        for label, phrases in PHRASES["events"].items()
        for phrase in phrases
    ]
    return float(np.mean(found))


def false_matches() -> float:
    return float(np.mean([bool(match_event(phrase, LABELS)) for phrase in PHRASES["none"]]))


def best(text: str, labels: list[str] | None = None) -> str | None:
    matches = match_event(text, labels or LABELS)
    return matches[0].label if matches else None


@pytest.mark.usefixtures("without_embeddings")
def test_synonyms_alone_name_the_event_of_most_phrases() -> None:
    assert len(LABELS) == 50
    assert hits(1) >= 0.95
    assert false_matches() <= 0.1


@pytest.mark.skipif(not has_word_embeddings(), reason="wordllama is not installed")
def test_word_embeddings_find_phrases_that_no_synonym_covers() -> None:
    assert hits(1) >= 0.95
    assert hits(3) >= 0.98
    assert false_matches() <= 0.25


@pytest.mark.parametrize("label", LABELS)
def test_every_label_matches_itself_first(label: str) -> None:
    match = match_event(label, LABELS)[0]
    assert match.label == label
    assert match.score == 1
    assert best(f"The {event_names.spoken(label).upper()}!") == label


@pytest.mark.usefixtures("without_embeddings")
@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("dog barking", "dog"),
        ("the dogs barked", "dog"),
        ("chain saw", "chainsaw"),
        ("helicoper", "helicopter"),  # typos
        ("thunderstrom thunderclapp", "thunderstorm"),
        ("broken glass", "glass_breaking"),
        ("an engine", "engine"),
        ("fire engine", "siren"),
        ("crow", "crow"),
        ("rooster crow", "rooster"),
        ("car horn", "car_horn"),
        ("car", "engine"),
        ("bat", None),
        ("crane", None),
        ("camera shutter", None),  # a word, not a typo of "shatter"
        ("", None),
        ("the of", None),
        ("12345 !?", None),
    ],
)
def test_inflections_compounds_typos_and_ambiguous_words(text: str, label: str | None) -> None:
    assert best(text) == label


@pytest.mark.usefixtures("without_embeddings")
def test_names_of_files_match_by_their_words_and_by_synonyms() -> None:
    files = ["Metal_Gate-Slam 02", "puppyWoof_take3", "field recording 7"]
    assert best("gate slamming", files) == "Metal_Gate-Slam 02"
    assert best("dog barking", files) == "puppyWoof_take3"
    assert best("violin", files) is None


@pytest.mark.usefixtures("without_embeddings")
def test_matches_are_sorted_and_above_the_least_score() -> None:
    matches = match_event("a clap of thunder", LABELS)
    scores = [match.score for match in matches]
    assert {match.label for match in matches} == {"thunderstorm", "clapping"}
    assert matches[0].label == "thunderstorm"
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= MIN_SCORE


@pytest.mark.usefixtures("without_embeddings")
@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("violin solo", "The library has no sound for 'violin solo': its 2 names are such as 'cry"),
        ("guard booth", "the nearest names are 'dog'"),
        ("a frog", "it has none of the class 'frog'"),
    ],
)
def test_an_unknown_event_is_an_error_that_helps(text: str, match: str) -> None:
    with pytest.raises(OptionError, match=match):
        require_event(text, ["dog", "crying_baby"], "The library")


def test_stems_join_words_that_form_a_known_one() -> None:
    assert stems("Chain saws, barking!") == stems("bark chainsaw")
    assert stems("types") == stems("typing")


def test_rain_is_a_texture_and_a_sneeze_is_not() -> None:
    assert is_texture("rain")
    assert not is_texture("sneezing")
    assert not is_texture("something else")


def test_phrases_are_unique_to_their_label() -> None:
    seen: dict[str, str] = {}
    for label, entry in synonyms().items():
        for phrase in entry.phrases:
            assert seen.setdefault(phrase, label) == label
