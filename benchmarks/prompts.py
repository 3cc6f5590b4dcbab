"""How many sentences of the test set of prompts are parsed right, and how many silently wrong.

    python benchmarks/prompts.py [--write]

The sentences and their right parses are in `tests/scene/prompts/sentences.json`: two thirds were
written before the grammar, the "held out" third after it. A sentence is right if every value is, or
if a sentence that must be refused gives an error with its words. It is silently wrong if it gives a
scene with a direction that is not the right one, and no error. The time is processor time for a
sentence. With --write the table goes into docs/prompts.md.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from pages import write_page

from soundstage.errors import OptionError
from soundstage.evaluation.markdown_tables import markdown
from soundstage.scene.description import SceneEvent
from soundstage.scene.prompts import parse_prompt

ROOT = Path(__file__).parents[1]
SENTENCES = ROOT / "tests" / "scene" / "prompts" / "sentences.json"
PAGE = ROOT / "docs" / "prompts.md"
DIRECTIONS = ("azimuth", "elevation", "path", "around")


def stated(event: SceneEvent) -> dict[str, Any]:
    """What an event states, as the rows of the test set write it."""
    values = event.to_dict()
    values.pop("along_sphere", None)
    path = values.pop("trajectory", [])
    if path:
        values["path"] = [point["azimuth"] for point in path]
    if "distance" in values:
        values["distance"] = round(values["distance"], 3)
    return values


def verdict(row: dict[str, Any]) -> str:
    """Whether it is right, refused without need, wrong, or silently wrong in a direction."""
    try:
        scene = parse_prompt(row["prompt"])
    except OptionError as error:
        return "right" if row.get("error", "\0") in str(error) else "refused"
    if "error" in row:
        return "silently wrong"
    found = [stated(event) for event in scene.events]
    wanted = [{name: each[name] for name in each if name != "moves"} for each in row["events"]]
    places = [
        [[each.get(name) for name in DIRECTIONS] for each in side] for side in (found, wanted)
    ]
    if places[0] != places[1]:
        return "silently wrong"
    rest = (scene.room, scene.seconds) == (row.get("room"), row.get("seconds"))
    return "right" if found == wanted and rest else "wrong"


def main() -> None:
    """Print the table, or write it into its page."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    rows = json.loads(SENTENCES.read_text(encoding="utf-8"))
    groups = {
        "written before the grammar": [row for row in rows if row["set"] == "first"],
        "written after it": [row for row in rows if row["set"] == "held out"],
        "adversarial, of both": [row for row in rows if row.get("adversarial")],
        "all": rows,
    }
    table = []
    for name, group in groups.items():
        start = time.process_time()
        verdicts = [verdict(row) for row in group]
        seconds = (time.process_time() - start) / len(group)
        counts = [verdicts.count(each) for each in ("right", "refused", "wrong", "silently wrong")]
        share = f"{100 * counts[0] / len(group):.1f} %"
        table.append([name, str(len(group)), share, *map(str, counts[1:]), f"{1e3 * seconds:.2f}"])
    columns = ["sentences", "number", "right", "refused", "wrong", "silently wrong", "ms each"]
    text = markdown([columns, *table])
    if write:
        write_page(PAGE, {"sentences": text})
    else:
        print(text)


if __name__ == "__main__":
    main()
