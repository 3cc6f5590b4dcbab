"""The localizer on true binaural sound: ACC, MAE and confusions of test clips, by head.

    python benchmarks/localization.py --data EVENTS [--head FILE ...] [--write]

Every clip of fold 4 is heard from 4 of the 12 azimuths, the next clip from 4 others: convolved with
the responses of the bundled head and of each given one, and rendered by `soundstage.binauralize`,
as `generate` does. A second table lists the events that are confused most. With --write the tables
go into docs/metrics.md.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from pages import write_page
from torch import Tensor

from soundstage import Audio, binauralize
from soundstage.corpora.events import EventClip, event_clips
from soundstage.corpora.spatial_events import (
    AZIMUTHS,
    RATE,
    event_sound,
    five_seconds,
    horizontal_hrirs,
    spatialize,
)
from soundstage.evaluation.markdown_tables import markdown
from soundstage.metrics import (
    LocalizationScores,
    angular_errors,
    load_localizer,
    localization_scores,
)
from soundstage.parallel import single_thread

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
FOLD = 4
STEP = 3  # classes between the azimuths of a clip
SHOWN = 6  # classes in the second table

Ears = Float[Tensor, "azimuths 2 samples"]
Render = Callable[[Float[Tensor, " samples"], list[int]], Ears]


class Found(NamedTuple):
    """Estimates of one clip."""

    clip: EventClip
    true: Float[Tensor, " azimuths"]
    estimated: Float[Tensor, " azimuths"]


def by_responses(source: str | Path) -> Render:
    """Convolution with the responses of a head."""
    responses = horizontal_hrirs(source)
    return lambda sound, azimuths: spatialize(
        sound, responses[[AZIMUTHS.index(each) for each in azimuths]]
    )


def by_renderer(sound: Float[Tensor, " samples"], azimuths: list[int]) -> Ears:
    """The renderer of the package with its bundled head, 2 m away."""
    rendered = [
        binauralize(Audio(sound.numpy(), RATE), azimuth=azimuth, distance=2.0).samples
        for azimuth in azimuths
    ]
    return torch.stack([torch.tensor(each) for each in rendered])


def found(clips: list[EventClip], render: Render) -> Iterator[Found]:
    """Estimated azimuths of all clips."""
    localizer = load_localizer()
    for index, clip in enumerate(clips):
        sound = event_sound(clip)
        if sound is None:
            continue
        azimuths = [AZIMUTHS[(index + k) % len(AZIMUTHS)] for k in range(0, len(AZIMUTHS), STEP)]
        estimated = localizer.azimuths(render(five_seconds(sound), azimuths))
        yield Found(clip, torch.tensor(azimuths).float(), estimated)


def scores_of(results: list[Found]) -> LocalizationScores:
    """Scores over all clips."""
    estimated = torch.cat([each.estimated for each in results])
    return localization_scores(estimated, torch.cat([each.true for each in results]))


def heads_table(results: dict[str, list[Found]]) -> str:
    """Scores by head."""
    lines = [["sound", "ACC, %", "MAE, °", "front-back, %", "left-right, %", "clips"]]
    for name, each in results.items():
        scores = scores_of(each)
        shares = (scores.accuracy, scores.front_back, scores.left_right)
        accuracy, front_back, left_right = (f"{100 * share:.1f}" for share in shares)
        error = f"{scores.mean_error:.1f}"
        lines.append([name, accuracy, error, front_back, left_right, f"{scores.clips:,}"])
    return markdown(lines)


def events_table(results: list[Found]) -> str:
    """The events that are confused most, over all heads."""
    errors = defaultdict(list)
    for each in results:
        errors[each.clip.label].append(angular_errors(each.estimated, each.true))
    wrong = {label: torch.cat(parts) > 15 for label, parts in errors.items()}
    shares = {label: float(each.float().mean()) for label, each in wrong.items()}
    total = sum(int(each.sum()) for each in wrong.values())
    lines = [["event", "wrong, %", "share of all errors, %"]]
    for label in sorted(shares, key=lambda name: -shares[name])[:SHOWN]:
        part = 100 * int(wrong[label].sum()) / max(total, 1)
        lines.append([label.replace("_", " "), f"{100 * shares[label]:.1f}", f"{part:.0f}"])
    return markdown(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--head", type=Path, action="append", default=[])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    clips = [clip for clip in event_clips(options.data) if clip.fold == FOLD]
    renders: dict[str, Render] = {"soundstage.binauralize": by_renderer}
    for source in ("kemar", *options.head):
        renders[Path(source).stem] = by_responses(source)
    with single_thread():
        results = {name: list(found(clips, render)) for name, render in renders.items()}
    whole = [each for part in results.values() for each in part]
    tables = {"localizer heads": heads_table(results), "localizer events": events_table(whole)}
    print("\n\n".join(tables.values()))
    if options.write:
        write_page(PAGE, tables)


if __name__ == "__main__":
    main()
