"""`soundstage models`: the methods and the pretrained weights."""

from soundstage.cli.options import Json


def models(json_output: Json = False) -> None:
    """List the methods with their sources, and all pretrained models, those of metrics included."""
    import json

    from soundstage.cli.console import say
    from soundstage.upmixing.registry import DEFAULT_METHOD, METHODS
    from soundstage.weights import list_models, model_card

    cards = {name: model_card(name) for name in list_models()}
    if json_output:
        methods = [
            {
                "name": method.name,
                "default": method.name == DEFAULT_METHOD,
                "summary": method.summary,
                "source": method.source,
                "weights": method.weights,
            }
            for method in METHODS.values()
        ]
        say(*json.dumps({"methods": methods, "weights": cards}, indent=2).splitlines())
        return
    for method in METHODS.values():
        default = " (default)" if method.name == DEFAULT_METHOD else ""
        say(f"{method.name}{default}: {method.summary}")
        weights = method.weights or ("its own" if method.is_own else "none; use --weights")
        say(f"    source: {method.source}; weights: {weights}")
    say("")
    for name, card in cards.items():
        megabytes = card["bytes"] / 1e6
        say(f"{name}.safetensors, {megabytes:.2f} MB, {card['parameters']:,} parameters")
        say(f"    data: {card['data']}")
        say(f"    limits: {card['limits']}")
