"""The benefit of the context of one minute: placement of stems with and without it.

    python benchmarks/context.py --data FOLDER_OF_STEMS [--write]

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
    "`masked` without context": lambda: load(decoding=MaskedDecoding(memory=False)),
    "`autoregressive`": lambda: load_method("autoregressive"),
    "`nearest`": lambda: load_method("nearest"),
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--write", action="store_true", help="replace the table of docs/masked.md")
    options = parser.parse_args()
    items = [load_eval_item(clip, 0) for clip in open_corpus(options.data).clips]
    lines = ["| system | over bands, dB | over time, dB |", "| --- | ---: | ---: |"]

    def add(name: str, found: list[tuple[float, float]]) -> None:
        means = torch.tensor(found).mean(dim=0).tolist()
        lines.append(f"| {name} | {means[0]:.2f} | {means[1]:.2f} |")
        print(lines[-1], flush=True)

    truths = [placement_consistency(item.parameters, item.energies) for item in items]
    add("true stereo", [(each.over_bands, each.over_time) for each in truths])
    for name, load_system in SYSTEMS.items():
        upmixer, found = load_system(), []
        for item in items:
            for seed in range(options.seeds):
                side = make_side(upmixer, item.mono, seed=seed)[-1]
                made = encode_signal(torch.stack(to_left_right(item.mono, side)))
                placed = placement_consistency(made, item.energies)
                found.append((placed.over_bands, placed.over_time))
        add(name, found)
    if options.write:
        write_page(PAGE, {"context": "\n".join(lines)})


if __name__ == "__main__":
    main()
