"""Names of events: free words matched to labels, such as "puppy woofing" to "dog".

A phrase p and a text t are sets of word stems, with weights w that are smaller for the words of
many labels. With the covered parts a = w(p ∩ t)/w(p) and b = w(p ∩ t)/w(t), the score is

    known label:   a·(1 + b)/2, the largest of its phrases in `synonyms.json`
    other label:   √(a·b) of its own words, or that of a known label both belong to

A complete phrase scores 0.5 or more; less than `MIN_SCORE` is no match. If nothing matches, and pip
wordllama (MIT) is installed, the cosine c of static word embeddings helps:

    score ← max(score, (5·score + 7·c)/10)     weights chosen on a third of the test phrases

Ambiguous words are matched to the most usual sound: "plane" is an airplane and not a tool, "horn"
alone that of a car, "fly" an insect, "alarm" a clock. "bat" and "crane" match nothing.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from soundstage.errors import OptionError, quoted
from soundstage.scene.sources.word_embeddings import phrase_similarities

SYNONYMS = Path(__file__).with_name("synonyms.json")
MIN_SCORE = 0.5
NEAR_SCORE = 0.25  # of a name that an error suggests
SCORE_WEIGHT, COSINE_WEIGHT = 0.5, 0.7
MAX_TEXT = 300  # characters; the rest is ignored
CACHED_LABELS = 20_000
SHORTEST_TYPO = 6  # letters; shorter words are too near each other to be corrected
TYPO_RATIO = 0.88  # of letters in common: a missing or extra letter of six, a wrong one of nine

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+")
_VOWEL = re.compile(r"[aeiouy]")
_EMPTY = """
    a an and are as at by for from her his in into is it its my of off on or our out over some
    someone somebody something that the their there to up very with loud loudly quiet quietly soft
    softly sound sounds noise noises effect fx sfx recording recorded audio take mono stereo wav
    old big small large little heavy several many few one two three
"""
_EMPTY_WORDS = frozenset(_EMPTY.split())
_IRREGULAR = {
    "broke": "break", "broken": "break", "blew": "blow", "blown": "blow", "children": "child",
    "drank": "drink", "feet": "foot", "flew": "fly", "geese": "goose", "lit": "light",
    "men": "man", "mice": "mouse", "ran": "run", "rang": "ring", "rung": "ring", "sang": "sing",
    "shut": "close", "teeth": "tooth", "wolves": "wolf", "women": "woman",
}  # fmt: skip


class Match(NamedTuple):
    """A label for a text."""

    label: str
    score: float
    """From `MIN_SCORE` to 1."""


class _Phrase(NamedTuple):
    label: str
    stems: frozenset[str]
    weight: float


def match_event(text: str, labels: Iterable[str]) -> list[Match]:
    """The labels that the words of an event name, the best first.

    Args:
        text: such as "puppy woofing".
        labels: known ones, such as "crying_baby", or others, such as names of files.

    Returns:
        Those with a score of at least `MIN_SCORE`; equal scores in the order of the labels.

    >>> [match.label for match in match_event("puppy woofing", ["cat", "dog"])]
    ['dog']
    """
    return [match for match in scored_events(text, labels) if match.score >= MIN_SCORE]


def scored_events(text: str, labels: Iterable[str]) -> list[Match]:
    """All labels with their scores from 0 to 1, the best first."""
    labels = list(dict.fromkeys(labels))
    known, words = known_scores(text), stems(text)
    scores = {
        label: known.get(label, 0.0) if label in synonyms() else _other_score(words, known, label)
        for label in labels
    }
    if max(scores.values(), default=0) < MIN_SCORE:
        for label, cosine in _cosines(text, labels).items():
            blend = SCORE_WEIGHT * scores[label] + COSINE_WEIGHT * cosine
            scores[label] = min(max(scores[label], blend), 1.0)
    matches = [Match(*item) for item in scores.items()]
    return sorted(matches, key=lambda match: -match.score)


def require_event(text: str, labels: Sequence[str], source: str) -> list[Match]:
    """`match_event`, with an error if nothing matches.

    Args:
        text: words of an event.
        labels: at least one.
        source: subject of the error, such as "the built-in library".

    Raises:
        OptionError: no label matches; the sentence names the nearest ones.
    """
    scored = scored_events(text, labels)
    matches = [match for match in scored if match.score >= MIN_SCORE]
    if matches:
        return matches
    best = max(known_scores(text).items(), key=lambda item: item[1], default=("", 0.0))
    near = [match.label for match in scored[:3] if match.score >= NEAR_SCORE]
    if best[1] >= MIN_SCORE:
        advice = f"it has none of the class {quoted(spoken(best[0]))}"
    elif near:
        advice = f"the nearest names are {quoted(', '.join(map(spoken, near)))}"
    else:
        some = ", ".join(spoken(label) for label in sorted(labels)[:: max(len(labels) // 8, 1)][:8])
        advice = f"its {len(labels)} names are such as {quoted(some)}"
    raise OptionError(f"{source} has no sound for {quoted(text)}: {advice}; try other words.")


def spoken(label: str) -> str:
    """A label as words: "crying baby"."""
    return label.replace("_", " ")


def is_texture(label: str) -> bool:
    """Whether a known label is a continuous sound, such as rain."""
    entry = synonyms().get(label)
    return bool(entry and entry.texture)


class Synonyms(NamedTuple):
    """What `synonyms.json` has for a label."""

    texture: bool
    phrases: tuple[str, ...]


@cache
def synonyms() -> Mapping[str, Synonyms]:
    """Known labels: the 50 classes of ESC-50, with phrases of everyday English."""
    table = json.loads(SYNONYMS.read_text(encoding="utf-8"))
    return {
        label: Synonyms(entry["texture"], (spoken(label), *entry["phrases"]))
        for label, entry in table.items()
    }


def stems(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning; two words that form a known one count as that."""
    words = _WORD.findall(_CAMEL.sub(" ", text[:MAX_TEXT].replace("'s", "")).lower())
    full = [word for word in words if word not in _EMPTY_WORDS and len(word) > 1]
    found, index = set(), 0
    while index < len(full):
        joined = _stem("".join(full[index : index + 2]))
        pair = index + 1 < len(full) and joined in _known_stems()
        found.add(joined if pair else _stem(full[index]))
        index += 2 if pair else 1
    return frozenset(found)


def _stem(word: str) -> str:
    """A word without its inflection: bark for barking, barked, barks."""
    word = _IRREGULAR.get(word, word)
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("ches", "shes", "sses", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and _VOWEL.search(word[: -len(ending)]) and len(word) > 4:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@cache
def _known_stems() -> frozenset[str]:
    texts = (phrase for entry in synonyms().values() for phrase in entry.phrases)
    words = (word for text in texts for word in _WORD.findall(text.lower()))
    return frozenset(_stem(word) for word in words if word not in _EMPTY_WORDS)


@cache
def _weights() -> Mapping[str, float]:
    """1/√n of a stem that n known labels use."""
    users = defaultdict(set)
    for label, entry in synonyms().items():
        for phrase in entry.phrases:
            for stem in stems(phrase):
                users[stem].add(label)
    return {stem: 1 / sqrt(len(labels)) for stem, labels in users.items()}


def _weight(words: Iterable[str]) -> float:
    weights = _weights()
    return sum(weights.get(word, 1.0) for word in words)


@cache
def _phrases_by_stem() -> Mapping[str, list[_Phrase]]:
    index = defaultdict(list)
    for label, entry in synonyms().items():
        for words in {stems(phrase) for phrase in entry.phrases}:
            for stem in words:
                index[stem].append(_Phrase(label, words, _weight(words)))
    return index


def known_scores(text: str) -> Mapping[str, float]:
    """Scores of the known labels by their phrases; misspelled words are corrected if none matches.

    Labels that share no word with the text are left out, or have 0.
    """
    scores = _scores_of_words(stems(text))
    if max(scores.values(), default=0) < MIN_SCORE:
        scores = _scores_of_words(frozenset(map(_corrected, stems(text))))
    return scores


@lru_cache(CACHED_LABELS)
def _scores_of_label(label: str) -> Mapping[str, float]:
    return _scores_of_words(stems(label))


def _scores_of_words(words: frozenset[str]) -> Mapping[str, float]:
    scores: dict[str, float] = defaultdict(float)
    total = _weight(words)
    for phrase in {phrase for word in words for phrase in _phrases_by_stem().get(word, ())}:
        shared = _weight(phrase.stems & words)
        score = shared / phrase.weight * (1 + shared / total) / 2
        scores[phrase.label] = max(scores[phrase.label], score)
    return scores


def _corrected(word: str) -> str:
    if len(word) < SHORTEST_TYPO or word in _known_stems():
        return word
    candidates = [known for known in _known_stems() if len(known) >= SHORTEST_TYPO]
    return next(iter(get_close_matches(word, sorted(candidates), 1, TYPO_RATIO)), word)


def _other_score(words: frozenset[str], known: Mapping[str, float], label: str) -> float:
    """Score of a label that is no known one, by its own words or by a known label."""
    own = stems(label)
    shared = _weight(words & own)
    direct = shared / sqrt(_weight(words) * _weight(own)) if shared else 0.0
    theirs = _scores_of_label(label)
    common = (min(score, theirs.get(name, 0.0)) for name, score in known.items())
    return max(direct, max(common, default=0.0))


def _cosines(text: str, labels: Sequence[str]) -> Mapping[str, float]:
    """Cosines of word embeddings, the largest of each label; none without wordllama."""
    phrases = [
        (label, phrase)
        for label in labels
        for phrase in (synonyms()[label].phrases if label in synonyms() else (label,))
    ]
    similarities = phrase_similarities(text, tuple(phrase for _, phrase in phrases))
    scores: dict[str, float] = defaultdict(float)
    for (label, _), score in zip(phrases, similarities, strict=False):
        scores[label] = max(scores[label], float(score))
    return scores
