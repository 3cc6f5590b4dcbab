"""`soundstage styles`: the words of `soundstage upmix --style` and `--place`."""

from soundstage.cli.console import say
from soundstage.cli.options import Json


def styles(json_output: Json = False) -> None:
    """List the words of --style and --place, with their synonyms and values, and the parameters."""
    import json

    from soundstage.upmixing import list_styles
    from soundstage.upmixing.generative.style import RANGES
    from soundstage.upmixing.place_words import PLACE_WORDS, SOURCE_WORDS

    words = list_styles()
    if json_output:
        entries = {name: word._asdict() for name, word in words.items()}
        places = {name: word.as_dict() for name, word in PLACE_WORDS.items()}
        tables = {"words": entries, "parameters": RANGES, "sources": dict(SOURCE_WORDS)}
        say(json.dumps({**tables, "places": places}))
        return
    for name, word in words.items():
        values = ", ".join(f"{key}={value:g}" for key, value in word.values.items())
        say(f"{name:16}{values:34}{word.meaning}{_also(word.also)}")
    say("", "Parameters:")
    for name, (low, high) in RANGES.items():
        say(f"{name:16}{low:g} to {high:g}")
    say("", "Instruments, for methods that separate them:", ", ".join(SOURCE_WORDS))
    say("", "Their places:")
    for name, place in PLACE_WORDS.items():
        say(f"{name:16}{place.meaning}{_also(place.also)}")


def _also(synonyms: tuple[str, ...]) -> str:
    return f" (also {', '.join(synonyms)})" if synonyms else ""
