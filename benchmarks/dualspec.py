"""The tables of DualSpec with our rows, and quality over guidance and steps: docs/benchmark.md.

    python benchmarks/dualspec.py --data EVENTS [--efficientat mn04_as_mAP_432.pt] [--write]
    python benchmarks/dualspec.py --data EVENTS --rows "dualspec,library + hrtf" --curves-of ""

Clips are generated for all classes and azimuths, measured (`evaluation/spatial_generation.py`)
and compared with recordings of the test fold at the same azimuths on the same head. The
measurements of a row are kept in the folder of `--work` and used again while its weights and
settings are the same, so that rows can be made one by one. All figures are also written there, as
figures.json.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import dualspec_systems as systems
import numpy as np
import torch
from dualspec_systems import LIBRARY, MONO, REFERENCE, TRUE, VAES, VARIANTS, VOCODER
from pages import write_page
from safetensors.numpy import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from soundstage.corpora.events import event_clips, read_event
from soundstage.corpora.spatial_events import RATE
from soundstage.evaluation import dualspec_tables as tables
from soundstage.evaluation.spatial_generation import (
    ClipFeatures,
    ClipMeter,
    LinearProbe,
    SpatialPrompt,
    event_names,
    figures,
    spatial_prompts,
)
from soundstage.metrics.embeddings.clip_tagging import load_clip_tagger
from soundstage.metrics.generation import image_ssim, mel_image, psnr, ssim
from soundstage.metrics.localization import load_localizer
from soundstage.scene.dualspec.prompts import LOCATIONS
from soundstage.scene.dualspec.sampling import SamplingOptions
from soundstage.weights import model_card, weights_digest

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
RECONSTRUCTIONS = (*VAES, VOCODER)
GENERATIONS = (*VARIANTS, MONO, LIBRARY, TRUE)
GUIDANCES = (1.0, 2.0, 3.0, 5.0, 8.0)
STEPS = (2, 4, 8, 16, 32)
CURVE_EVERY = 5  # of the prompts: all classes and azimuths still take part
BATCH = 12  # prompts at a time
PAIRED = ("psnr", "ssim", "image psnr", "image ssim")
TIMED = 3  # clips
LISTENING_RATE = 48_000  # Hz
SAMPLING = SamplingOptions()
BY_SECOND = "By EfficientAT mn04:"
IN_DETAIL = "Direction in detail:"
Row = dict[str, float]


class Bench:
    """Makes rows, or takes them from the folder of the last run.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.classes = tuple(model_card("tagger")["classes"])
        labels = self.classes[: options.limit or None]
        self.prompts = spatial_prompts(labels, half=not options.all)
        self.taggers = ["tagger"]
        if options.efficientat:
            self.taggers.append(f"efficientat={options.efficientat}")
        options.work.mkdir(parents=True, exist_ok=True)
        setup = (self.taggers, options.data, options.fold)
        self._pool = ProcessPoolExecutor(options.jobs, get_context("spawn"), _set_up, setup)

    def features(
        self, name: str, prompts: Sequence[SpatialPrompt], sampling: SamplingOptions
    ) -> tuple[ClipFeatures, Row]:
        """Measurements of a system's clips, and the paired measures of an autoencoder's."""
        key = self._key(name, prompts, sampling)
        path = self.options.work / f"{name.replace(' ', '-')}-{key[:12]}.safetensors"
        if not path.is_file() or name in self.options.fresh:
            start = time.monotonic()
            save_file(self._measured(name, prompts, sampling), path)
            print(f"{name}: {len(prompts)} clips in {time.monotonic() - start:.0f} s", flush=True)
        tensors = {key: torch.from_numpy(array) for key, array in load_file(path).items()}
        paired = {key: float(tensors.pop(key).mean()) for key in PAIRED if key in tensors}
        return ClipFeatures.from_tensors(tensors), paired

    def _key(self, name: str, prompts: Sequence[SpatialPrompt], sampling: SamplingOptions) -> str:
        weights = [*systems.needed_weights(name), "tagger", "localizer"]
        digests = [weights_digest(each).hex() for each in weights]
        settings = sampling if name in (*VARIANTS, MONO) else None
        facts = [name, digests, self.taggers, repr(settings), repr(prompts), self.options.fold]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _measured(
        self, name: str, prompts: Sequence[SpatialPrompt], sampling: SamplingOptions
    ) -> dict[str, np.ndarray]:
        parts = [prompts[k : k + BATCH] for k in range(0, len(prompts), BATCH)]
        found = list(self._pool.map(_measure, [(name, part, sampling) for part in parts]))
        return {key: np.concatenate([part[key] for part in found]) for key in found[0]}

    @cache  # noqa: B019 (one bench a run)
    def probe(self) -> LinearProbe | None:
        """Names of events from the second tagger, fitted on the other folds."""
        if len(self.taggers) < 2:
            return None
        path = self.options.work / "probe.safetensors"
        clips = [clip for clip in event_clips(self.options.data) if clip.fold != self.options.fold]
        if not path.is_file():
            paths = [clip.path for clip in clips]
            points = self._pool.map(_embedded, paths, chunksize=32)
            save_file({"points": np.concatenate(list(points))}, path)
        points = torch.from_numpy(load_file(path)["points"])
        return LinearProbe(points, [clip.label for clip in clips], self.classes)

    def row(self, made: ClipFeatures, true: ClipFeatures, prompts: Sequence[SpatialPrompt]) -> Row:
        """All figures of some clips."""
        named = {"tagger": event_names(made.tags["tagger"], self.classes)}
        if probe := self.probe():
            named["efficientat"] = probe(made.tags["efficientat"].embeddings)
        return figures(made, true, prompts, named)


_worker: dict[str, object] = {}


def _set_up(taggers: Sequence[str], data: Path, fold: int) -> None:
    """Prepare a worker process."""
    torch.set_num_threads(1)
    loaded = [load_clip_tagger(tagger) for tagger in taggers]
    meter = ClipMeter(loaded, load_localizer(), systems.head_responses())
    _worker.update(meter=meter, data=data, fold=fold, probed=loaded[-1])


def _embedded(path: Path) -> np.ndarray:
    """The embedding of a recording by the second tagger."""
    sound = torch.from_numpy(read_event(path, RATE))
    return _worker["probed"](sound[None, None], RATE).embeddings.numpy()


def _measure(task: tuple[str, Sequence[SpatialPrompt], SamplingOptions]) -> dict[str, np.ndarray]:
    """Make and measure some clips of a system."""
    name, prompts, sampling = task
    data, fold, meter = _worker["data"], _worker["fold"], _worker["meter"]
    sounds = systems.make_system(name, data, fold, sampling)(prompts)
    tensors = meter(sounds, [prompt.azimuth for prompt in prompts]).tensors()
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    if name in RECONSTRUCTIONS:
        true = systems.make_system(REFERENCE, data, fold, sampling)(prompts)
        pairs = [paired_measures(*pair) for pair in zip(sounds, true, strict=True)]
        arrays |= {key: np.array([pair[key] for pair in pairs]) for key in PAIRED}
    return arrays


def paired_measures(made: torch.Tensor, true: torch.Tensor) -> Row:
    """PSNR and SSIM of waveforms and of log-mel spectrograms, over both ears."""
    images = mel_image(made), mel_image(true)
    return {
        "psnr": psnr(made, true),
        "ssim": ssim(made, true),
        "image psnr": psnr(*images),
        "image ssim": image_ssim(*images),
    }


def cost(name: str) -> Row:
    """Parameters, and GFLOP and seconds for one second of sound, one clip at a time."""
    if name == LIBRARY:
        return {"rtf": library_rtf()}
    if name not in (*VARIANTS, MONO):
        return {}
    model = systems.variant("mono-mel" if name == MONO else name)
    vocoder = sum(value.numel() for value in model.vocoder.network.parameters())
    azimuths = None if name == MONO else [90]

    def generate(seed: int) -> torch.Tensor:
        return model.generate(model.classes[:1], azimuths, seeds=[seed], options=SAMPLING)

    seconds = generate(0).shape[-1] / RATE
    times = []
    for seed in range(TIMED):
        start = time.monotonic()
        generate(seed)
        times.append(time.monotonic() - start)
    with FlopCounterMode(display=False) as counter:
        generate(0)
    return {
        "parameters": float(model.parameters + vocoder),
        "gflop": counter.get_total_flops() / 1e9 / seconds,
        "rtf": float(np.median(times)) / seconds,
    }


def library_rtf() -> float:
    """Seconds for one second of a scene at the default rate, from the prompt to both ears."""
    generator = systems.library(LISTENING_RATE)
    shares = []
    for seed, prompt in enumerate(spatial_prompts(model_card("tagger")["classes"])[:: 12 * 10]):
        start = time.monotonic()
        sound = generator.render(generator.compose(prompt.text, seed=seed))
        shares.append((time.monotonic() - start) * sound.rate / sound.samples.shape[-1])
    return float(np.median(shares))


def sections(bench: Bench, names: Sequence[str], curves_of: str) -> dict[str, str]:
    """All tables that the rows allow, by marker of the page, and their figures as JSON.

    Args:
        bench: makes the rows.
        names: of the rows.
        curves_of: a generator to vary guidance and steps of; "" for none.
    """
    second = "efficientat" if bench.taggers[1:] else ""
    references, _ = bench.features(REFERENCE, bench.prompts, SAMPLING)
    rebuilt: dict[str, Row] = {}
    generated: dict[str, Row] = {}
    kinds: dict[tuple[str, str], Row] = {}
    for name in names:
        prompts = [prompt for prompt in bench.prompts if systems.covers(name, prompt.label)]
        true = references.select(torch.tensor([each in prompts for each in bench.prompts]))
        made, paired = bench.features(name, prompts, SAMPLING)
        row = bench.row(made, true, prompts) | paired
        print(name, {key: round(value, 3) for key, value in row.items()}, flush=True)
        if name in RECONSTRUCTIONS:
            rebuilt[name] = row
            continue
        generated[name] = row | cost(name)
        for location in LOCATIONS if name in VARIANTS else ():
            mask = torch.tensor([prompt.location == location for prompt in prompts])
            part = [prompt for prompt in prompts if prompt.location == location]
            kinds[name, location] = bench.row(made.select(mask), true.select(mask), part)
    text = {
        "dualspec 1": [tables.table_1(rebuilt, "tagger")],
        "dualspec 2": [tables.table_2(generated, "tagger")],
        "dualspec 3": [tables.table_3(kinds, "tagger")],
    }
    if second:
        text["dualspec 1"] += [BY_SECOND, tables.quality_table(rebuilt, second)]
        text["dualspec 2"] += [BY_SECOND, tables.quality_table(generated, second)]
    text["dualspec 2"] += [IN_DETAIL, tables.direction_table(generated)]
    points = curves(bench, curves_of, references) if curves_of else {}
    if points:
        text["dualspec curves"] = [
            tables.curve_table(heading, found, "tagger") for heading, found in points.items()
        ]
    found = {**rebuilt, **generated, **{" ".join(key): row for key, row in kinds.items()}}
    found |= {f"{key} {value:g}": row for key, rows in points.items() for value, row in rows}
    (bench.options.work / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    return {key: "\n\n".join(parts) for key, parts in text.items()}


def curves(bench: Bench, name: str, references: ClipFeatures) -> dict[str, list[tuple[float, Row]]]:
    """Figures of a generator over guidance and over steps, on a part of the prompts."""
    prompts = bench.prompts[::CURVE_EVERY]
    chosen = torch.arange(len(bench.prompts)) % CURVE_EVERY == 0

    def row(sampling: SamplingOptions) -> Row:
        if sampling == SAMPLING:  # as in the tables, with the same seeds
            made = bench.features(name, bench.prompts, SAMPLING)[0].select(chosen)
        else:
            made, _ = bench.features(name, prompts, sampling)
        return bench.row(made, references.select(chosen), prompts)

    settings = {
        "guidance": [(scale, replace(SAMPLING, guidance=scale)) for scale in GUIDANCES],
        "steps": [(float(steps), replace(SAMPLING, steps=steps)) for steps in STEPS],
    }
    return {
        heading: [(value, row(sampling)) for value, sampling in points]
        for heading, points in settings.items()
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="collection of sound events")
    parser.add_argument("--fold", type=int, default=4, help="recordings that nothing is trained on")
    parser.add_argument("--efficientat", help="weights of a second tagger, mn04_as_mAP_432.pt")
    parser.add_argument("--rows", help="separated by commas; by default all with weights")
    parser.add_argument("--curves-of", default="dualspec", help="a generator; empty for no curves")
    parser.add_argument("--all", action="store_true", help="600 clips a row in place of 300")
    parser.add_argument("--limit", type=int, default=0, help="classes; 0 for all")
    parser.add_argument("--work", type=Path, default=Path("build/dualspec"))
    parser.add_argument("--fresh", default="", help="rows to make again, separated by commas")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--write", action="store_true", help="fill docs/benchmark.md")
    options = parser.parse_args()
    there = [name for name in (*RECONSTRUCTIONS, *GENERATIONS) if systems.has_weights(name)]
    names = options.rows.split(",") if options.rows else there
    found = sections(Bench(options), names, options.curves_of)
    print("\n\n".join(found.values()))
    if options.write:
        write_page(PAGE, found)


if __name__ == "__main__":
    main()
