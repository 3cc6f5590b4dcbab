"""Typing errors in words of direction: "on the lft", "behnd me", "40 degres".

A word one letter away from exactly one word of direction (a letter wrong, missing, doubled or
swapped with its neighbor) is corrected where a direction is expected, after "on the" or before
"me", and the correction is reported. Elsewhere it is an error that names the nearest word. English
words that are as near, such as "light" and "ground", are left alone.
"""

from soundstage.scene.description import Understood
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.tokens import Prompt, with_word

_TARGETS = lexicon.word_set(
    "left right behind front above below ahead around degrees o'clock clockwise overhead beside "
    "counterclockwise center rear toward meters seconds azimuth elevation north south"
)
_REAL = lexicon.word_set(
    # as near to a word of direction as a typing error
    "ear ears lift loft heft deft lefty cleft eft lefts let felt fight light might night sight "
    "tight eight bright fright wright rights wight rite front frost fronts fount font from "
    "behinds abode aboves bellow belows blow elbow head aheads read bead dead lead mead heads "
    "ground aground arounds degreed decrees clocks clockwork overheat overheard overheads reside "
    "besides aside bedside inside enter centers renter center cents rea bear dear fear gear hear "
    "near pear sear tear wear year real reap ream roar rears reed tar meter meters miters second "
    "secondary forth mouth sooth worth horn shout sough youth soth tooth booth norm nort snort "
    "month ward forward towards coward reward toward seconds beckons reckons peters metres rearm "
    "rare rex metes deters centre canter rent lent left's lect length hind behave beside be "
    "upright righto alright aright ighty mighty nights lights fights sights eights rear end fears "
    "gears tears wears years bears earn rearing leaf leak leap lest kept wept sect self elf elft "
    "loft's aloud alight belong belly hello bellows mellow yellow fellow cellos cello blown flow "
    "glow slow elbows arouse round abound surround sound bound found hound mound pound wound wind"
)
_EXPECTING = lexicon.word_set(
    "on to at from in the my your behind above off and slightly far hard due front rear back left "
    "right degrees directly"
)
_BEFORE_LISTENER = frozenset({"me", "of", "us"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz'"


def _variants(word: str) -> set[str]:
    """Strings one typing error away."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    missing = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    wrong = {a + letter + b[1:] for a, b in cuts if b for letter in _LETTERS}
    added = {a + letter + b for a, b in cuts for letter in _LETTERS}
    return missing | swapped | wrong | added


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    ambiguous: set[str] = set()
    for target in _TARGETS:
        for variant in _variants(target):
            if table.get(variant, target) != target:
                ambiguous.add(variant)
            table[variant] = target
    for word in ambiguous | _REAL | set(_TARGETS):
        table.pop(word, None)
    return {variant: target for variant, target in table.items() if len(variant) > 2}


_NEAREST = _table()
_EXTRA = {"degs": "degrees", "oclok": "o'clock", "rihgt": "right", "leff": "left"}


def nearest_word(word: str) -> str | None:
    """The word of direction that is one typing error away; None for no or several words.

    >>> nearest_word("rigth"), nearest_word("light")
    ('right', None)
    """
    return _NEAREST.get(word)


def corrected(prompt: Prompt) -> tuple[Prompt, tuple[Understood, ...]]:
    """The prompt with its typing errors in directions corrected, and the corrections."""
    notes = []
    for at, token in enumerate(prompt.tokens):
        target = nearest_word(token.word)
        if target is None or token.number is not None:
            continue
        after_number = prompt.number(at - 1) is not None
        is_unit = target in ("degrees", "o'clock", "meters", "seconds")
        expected = after_number if is_unit else prompt.word(at - 1) in _EXPECTING
        if expected or (not is_unit and prompt.word(at + 1) in _BEFORE_LISTENER):
            prompt = with_word(prompt, at, target)
            notes.append(Understood(prompt.quote(at, at + 1), f'spelled "{target}"'))
    return prompt, tuple(notes)
