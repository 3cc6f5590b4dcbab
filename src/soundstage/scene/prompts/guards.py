"""Guards: words that point somewhere and were not understood are errors, and so are negations.

A wrong direction is worse than an error. So whatever points somewhere (`lexicon.CRITICAL`), names
the listener after a preposition, or is a number has to be part of what was understood, or of the
fixed name of a sound.
"""

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.phrases import LISTENER, NAMES, phrases
from soundstage.scene.prompts.segments import Segment
from soundstage.scene.prompts.spelling import nearest_word
from soundstage.scene.prompts.tokens import PUNCTUATION, Prompt

_CRITICAL_PHRASES = phrases(lexicon.CRITICAL_PHRASES)
_BEFORE_LISTENER = lexicon.word_set(
    "of in on from behind above below under over past by near beside around between across "
    "through into against onto inside outside beneath along before"
)
_OWNERS = frozenset({"my", "your", "our", "listener's"})
_CHOICES = frozenset({"or", "either", "maybe", "perhaps"})
_RELATIVE = phrases(["after a", "after an", "after the", "until a", "until an", "until the"])
_LEADING = lexicon.word_set(
    "a an the my your to at on in from of by toward into and off over up down"
)


def check_words(prompt: Prompt) -> None:
    """Refuse negations and choices.

    Raises:
        OptionError: the prompt has one.
    """
    for at, token in enumerate(prompt.tokens):
        if token.word in lexicon.NEGATIONS:
            raise OptionError(
                f"{quoted(prompt.quote(at, at + 4))}: negations are not understood; describe only "
                "what is to be heard."
            )
        if token.word in _CHOICES:
            raise OptionError(
                f"{quoted(prompt.quote(max(at - 1, 0), at + 3))}: choices are not understood; "
                "state one sound or one direction."
            )


def check_rest(prompt: Prompt, segment: Segment) -> None:
    """Refuse words of an event that state something which was not understood.

    Raises:
        OptionError: names the words.
    """
    words = segment.words()
    named: set[int] = set()
    for at in words:
        if found := NAMES.read(prompt, at):
            named.update(range(at, found.end))
    for at in words:
        if at not in named:
            _check_word(prompt, at, set(words) - named)


def _check_word(prompt: Prompt, at: int, words: set[int]) -> None:
    word = prompt.word(at)
    phrase = _CRITICAL_PHRASES.read(prompt, at)
    if phrase and all(index in words for index in range(at, phrase.end)):
        raise not_understood(prompt, at, phrase.end)
    if word == "slightly" and prompt.word(at + 1) in lexicon.RELATIONS:
        raise not_understood(prompt, at, at + 2)
    of_something = word == "front" and prompt.word(at - 1) == "in" and prompt.word(at + 1) == "of"
    if word in lexicon.CRITICAL and not of_something:
        raise not_understood(prompt, at, at + 1)
    is_time = ":" in word and len(word) > 1
    is_number = prompt.number(at) is not None and prompt.number(at) not in lexicon.NUMBERED
    if is_time or is_number:
        raise OptionError(
            f"{quoted(_context(prompt, at, at + 1))} is not understood: numbers need a unit, such "
            'as "30 degrees to the left", "3 meters", "5 seconds" or "3 o\'clock".'
        )
    if word in ("up", "down") and prompt.word(at - 1) in lexicon.METERS:
        raise not_understood(prompt, at - 1, at + 1)
    if phrase := _RELATIVE.read(prompt, at):
        raise OptionError(
            f"{quoted(prompt.quote(at, at + 4))} is not understood: name the sounds in their "
            'order, with "then" between them.'
        )
    if prompt.word(at - 1) in _BEFORE_LISTENER and _names_listener(prompt, at):
        raise not_understood(prompt, at, at + 1)
    if (near := nearest_word(word)) is not None:
        raise OptionError(
            f"{quoted(_context(prompt, at, at + 1))} is not understood: is {quoted(word)} "
            f'"{near}", as in "{_EXAMPLES.get(near, near)}"?'
        )


_EXAMPLES = {"left": "on the left", "right": "on the right", "front": "in front of me"}


def _names_listener(prompt: Prompt, at: int) -> bool:
    if LISTENER.read(prompt, at) and prompt.word(at) not in ("the",):
        return True
    here = at + 1
    if prompt.word(at) not in _OWNERS:
        return False
    return prompt.word(here) in lexicon.BODY or prompt.word(here + 1) in lexicon.BODY


def not_understood(prompt: Prompt, start: int, end: int) -> OptionError:
    """The error for words that point somewhere and were not understood."""
    return OptionError(
        f"{quoted(_context(prompt, start, end))} is not understood as a direction: write it as in "
        '"on the left", "behind me to the right", "at 30 degrees to the left" or "at 9 o\'clock".'
    )


def _context(prompt: Prompt, start: int, end: int) -> str:
    """The words, with the prepositions before them and a word after them."""
    while start > 0 and prompt.word(start - 1) in _LEADING:
        start -= 1
    if start == end - 1 and start > 0 and prompt.word(start - 1) not in PUNCTUATION:
        start -= 1
    after = prompt.word(end)
    end += bool(after) and after not in PUNCTUATION
    return prompt.quote(start, end)
