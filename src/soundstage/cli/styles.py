"""`soundstage styles`: the words of `soundstage upmix --style`."""

from soundstage.cli.console import say
from soundstage.cli.options import Json


def styles(json_output: Json = False) -> None:
    """List the words of --style, with their synonyms and values, and the parameters."""
    import json

    from soundstage.upmixing import list_styles
    from soundstage.upmixing.generative.style import RANGES

    words = list_styles()
    if json_output:
        entries = {name: word._asdict() for name, word in words.items()}
        say(json.dumps({"words": entries, "parameters": RANGES}))
        return
    for name, word in words.items():
        values = ", ".join(f"{key}={value:g}" for key, value in word.values.items())
        also = f" (also {', '.join(word.also)})" if word.also else ""
        say(f"{name:16}{values:34}{word.meaning}{also}")
    say("", "Parameters:")
    for name, (low, high) in RANGES.items():
        say(f"{name:16}{low:g} to {high:g}")
