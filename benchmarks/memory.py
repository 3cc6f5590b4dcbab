"""What the minute of memory is worth: placement of stems with it and without.

    python benchmarks/memory.py --data FOLDER_OF_STEMS [--write]

Songs are rendered from their stems at known places, folded to mono and upmixed. With --write the
table goes into docs/masked.md.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from pages import write_page

from soundstage.corpora import open_corpus
from soundstage.evaluation.eval_items import load_eval_item
from soundstage.metrics.placement import placement_consistency
from soundstage.stereo import encode_signal, to_left_right
from soundstage.upmixing import UpmixMethod, load_method, make_side
from soundstage.upmixing.methods.masked import MaskedDecoding, load

PAGE = Path(__file__).parents[1] / "docs" / "masked.md"
SYSTEMS: dict[str, Callable[[], UpmixMethod]] = {
    "`masked`": lambda: load(),
    "`masked` without memory": lambda: load(decoding=MaskedDecoding(memory=False)),
    "`autoregressive`": lambda: load_method("autoregressive"),
    "`nearest`": lambda: load_method("nearest"),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--write", action="store_true", help="replace the table of docs/masked.md")
    asked = parser.parse_args()
    cases = [load_eval_item(clip, 0) for clip in open_corpus(asked.data).clips]
    lines = ["| system | over bands, dB | over time, dB |", "| --- | ---: | ---: |"]

    def add(name: str, found: list[tuple[float, float]]) -> None:
        means = torch.tensor(found).mean(dim=0).tolist()
        lines.append(f"| {name} | {means[0]:.2f} | {means[1]:.2f} |")
        print(lines[-1], flush=True)

    truths = [placement_consistency(case.parameters, case.energies) for case in cases]
    add("the mix itself", [(each.over_bands, each.over_time) for each in truths])
    for name, load_system in SYSTEMS.items():
        upmixer, found = load_system(), []
        for case in cases:
            for seed in range(asked.seeds):
                side = make_side(upmixer, case.mono, seed=seed)[-1]
                made = encode_signal(torch.stack(to_left_right(case.mono, side)))
                placed = placement_consistency(made, case.energies)
                found.append((placed.over_bands, placed.over_time))
        add(name, found)
    if asked.write:
        write_page(PAGE, {"memory": "\n".join(lines)})


if __name__ == "__main__":
    main()
