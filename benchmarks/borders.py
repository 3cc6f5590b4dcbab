"""Parameter jumps at the borders of windows, compared with those elsewhere.

    python benchmarks/borders.py --data FOLDER [--methods masked,autoregressive,diffusion] [--write]

Every mono recording is upmixed and analyzed again from its sound. A jump is the mean change of the
level differences (dB, clipped to ±20) and of the coherences from one frame to the next; those at
the ends of windows are compared with all others. A ratio near 1 means that borders do not stand
out. With --write the table goes into docs/masked.md.
"""

import argparse
from pathlib import Path

import torch
from pages import write_page

from soundstage.audio import open_sound
from soundstage.corpora.layouts import read_excerpt
from soundstage.metrics.parametric_stereo import IID_LIMIT_DB
from soundstage.networks.models.side_diffusion import SideDiffusionConfig
from soundstage.networks.models.stereo_autoregression import StereoAutoregressionConfig
from soundstage.networks.models.stereo_tokens import StereoTokensConfig
from soundstage.stereo import RATE, encode_signal, to_left_right
from soundstage.upmixing import load_method, make_side
from soundstage.upmixing.methods.diffusion import DiffusionDecoding
from soundstage.weights.model import load_model

PAGE = Path(__file__).parents[1] / "docs" / "masked.md"
NEAR = 2  # frames on either side of a border: frames overlap, and the decoder smooths


def border_frames(method: str, frames: int) -> torch.Tensor:
    """Frames between two windows; for `diffusion`, the middle of their overlap."""
    if method == "diffusion":
        config = load_model(method, SideDiffusionConfig).config
        stride, patch = config.stride, config.context_frames
        overlap = DiffusionDecoding().shared(patch)
        hop, first = patch - overlap, patch - overlap // 2
    else:
        kind = StereoTokensConfig if method == "masked" else StereoAutoregressionConfig
        tokens = load_model(method, kind).config
        stride, first = tokens.stride, tokens.context_frames
        hop = first // 2
    return stride * torch.arange(first, max(frames // stride, first), hop)


def jump_ratios(path: Path, method: str) -> tuple[float, float, int]:
    """Ratio of jumps at borders to those elsewhere, for level differences and coherences."""
    with open_sound(path) as sound:
        channels = sound.channels
    mono = torch.from_numpy(read_excerpt(path, RATE)[:channels].mean(axis=0))
    side = make_side(load_method(method), mono)[-1]
    iid, coherence = encode_signal(torch.stack(to_left_right(mono, side)))
    jumps = [
        iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).diff(dim=1).abs().mean(dim=0),
        coherence.diff(dim=1).abs().mean(dim=0),
    ]
    at_border = torch.zeros(iid.shape[1] - 1, dtype=torch.bool)
    borders = border_frames(method, iid.shape[1])
    for near in range(-NEAR, NEAR):
        at_border[(borders + near).clamp(max=len(at_border) - 1)] = True
    ratios = [(each[at_border].mean() / each[~at_border].mean()).item() for each in jumps]
    return ratios[0], ratios[1], len(borders)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of mono recordings")
    parser.add_argument("--methods", default="masked,autoregressive,diffusion")
    parser.add_argument("--write", action="store_true", help="replace the table of docs/masked.md")
    options = parser.parse_args()
    lines = ["| recording | method | borders | level differences | coherence |"]
    lines.append("| --- | --- | ---: | ---: | ---: |")
    paths = sorted(path for path in options.data.iterdir() if path.suffix != ".csv")
    for path in paths:
        for method in options.methods.split(","):
            iid, coherence, count = jump_ratios(path, method)
            if not count:
                continue  # shorter than a window
            lines.append(f"| {path.stem} | `{method}` | {count} | {iid:.2f} | {coherence:.2f} |")
            print(lines[-1], flush=True)
    if options.write:
        write_page(PAGE, {"borders": "\n".join(lines)})


if __name__ == "__main__":
    main()
