"""What reads files from outside: the seeds of each target, and a whole run on a damaged one.

A run returns "read" or "refused"; a `SoundstageError` is a refusal, anything else that is raised is
a finding.
"""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from audio_seeds import audio_seeds, sound
from mutators import damage_bytes, damage_safetensors, damage_text

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Target:
    """A kind of file from outside."""

    seeds: Callable[[Path], list[tuple[str, bytes]]]
    """Name and content of valid files; made in an empty folder."""
    run: Callable[[Path], None]
    """Read a file and use what it holds; raises SoundstageError to refuse it."""
    damage: Callable[..., bytes]
    neighbors: Callable[[Path], None] = lambda folder: None
    """Write the files that a valid one names into a folder."""


# Sound: a whole run of the command


def _upmix(path: Path) -> None:
    out = path.parent / "out"
    try:
        _command("upmix", str(path), "-m", "comb", "-o", f"{out}/result.wav", "--quiet")
        assert (out / "result.wav").stat().st_size > 44
    finally:
        left = sorted(out.iterdir()) if out.is_dir() else []
        for file in left:
            file.unlink()
    assert [file.name for file in left] in ([], ["result.wav"])


def _command(*arguments: str) -> None:
    """A command in this process; its message on exit 2 becomes a SoundstageError."""
    from soundstage.cli.main import app
    from soundstage.errors import SoundstageError

    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            code = app(list(arguments), standalone_mode=False)
        except SystemExit as stop:
            code = stop.code
    if code:
        assert code == 2, code
        lines = errors.getvalue().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("soundstage: "), lines
        raise SoundstageError(lines[0])


# HRTF sets


def _sofa_seeds(folder: Path) -> list[tuple[str, bytes]]:
    from spheres import grid, sphere_head, write_sofa

    head = sphere_head(grid(60), taps=32)
    place = head.directions * head.distances[:, None]
    changes = [
        {},
        {
            "SourcePosition": place,
            "SourcePosition_Type": "cartesian",
            "SourcePosition_Units": "metre",
        },
        {"Data_Delay": np.full((1, 2), 20.0)},
        {"ListenerPosition": np.array([[0.1, 0.2, 0.3]])},
    ]
    seeds = []
    for change in changes:
        write_sofa(folder / "a.sofa", head, **change)
        seeds.append(("a.sofa", (folder / "a.sofa").read_bytes()))
    return [
        *seeds * 5,
        *_odd_sofas(folder),
        *[_classic(folder, content) for _, content in seeds] * 20,
    ]


def _classic(folder: Path, content: bytes) -> tuple[str, bytes]:
    """The same in the older format of netCDF, which has no checksums."""
    import netCDF4

    with (
        netCDF4.Dataset("set", memory=content) as source,
        netCDF4.Dataset(folder / "c.sofa", "w", format="NETCDF3_64BIT_OFFSET") as target,
    ):
        target.setncatts(source.__dict__)
        for name, dimension in source.dimensions.items():
            target.createDimension(name, dimension.size)
        for name, variable in source.variables.items():
            kind = variable.dtype if variable.dtype in ("f8", "f4", "i4") else "f8"
            copy = target.createVariable(name, kind, variable.dimensions)
            copy.setncatts(variable.__dict__)
            copy[:] = variable[:]
    return "a.sofa", (folder / "c.sofa").read_bytes()


def _odd_sofas(folder: Path) -> list[tuple[str, bytes]]:
    """Files with a strange value each, which bytes alone seldom reach."""
    import netCDF4

    values = [np.nan, np.inf, 1e308, -1e308, 1e-320, 0.0, 1e39]
    names = ["SourcePosition", "ListenerView", "ListenerUp", "ReceiverPosition", "Data.IR"]
    names += ["Data.SamplingRate", "Data.Delay", "ListenerPosition"]
    content, seeds = (folder / "a.sofa").read_bytes(), []
    for name in names:
        for value in values:
            (folder / "b.sofa").write_bytes(content)
            with netCDF4.Dataset(folder / "b.sofa", "r+") as file:
                if name in file.variables:
                    file[name][..., -1] = value
            seeds.append(("a.sofa", (folder / "b.sofa").read_bytes()))
    return seeds


def _sofa(path: Path) -> None:
    from soundstage.binaural import HrtfInterpolator
    from soundstage.binaural.hrtf.sofa_file import load_sofa

    responses = HrtfInterpolator(load_sofa(path)).responses(np.eye(3))
    assert np.isfinite(responses).all()


# Weights


def _weights_seeds(folder: Path) -> list[tuple[str, bytes]]:
    import torch

    import feature_files
    import tiny
    from soundstage.weights.model import save_weights

    tiny.save_regression(folder / "regression.safetensors")
    tiny.save_generative(folder / "masked.safetensors", "masked")
    tiny.save_diffusion(folder / "diffusion.safetensors")
    save_weights(folder / "nearest.safetensors", "nearest", tiny.pairs())
    save_weights(
        folder / "decorrelate.safetensors", "decorrelate", {"coherence": tiny.coherences()}
    )
    feature_files.write_cache(folder / "features.safetensors", [20, 30], 0)
    assert torch.get_default_dtype() == torch.float32
    return [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.safetensors"))]


def _weights(path: Path) -> None:
    import soundstage
    from soundstage.corpora.feature_cache import load_features

    family = path.stem
    if family == "features":
        load_features(path)
        return
    left_right = soundstage.upmix((sound(), 16_000), method=family, weights=path)
    assert np.isfinite(left_right.samples).all()


# Text


def _recipe_seeds(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in sorted(ROOT.rglob("recipes/*.yaml"))]


def _recipe(path: Path) -> None:
    from soundstage.training import load_recipe

    load_recipe(path)


def _scene_seeds(folder: Path) -> list[tuple[str, bytes]]:
    scenes = [
        b'{"sources": [{"file": "a.wav", "azimuth": 30}, {"file": "b.wav", "gain": -6}]}',
        b'{"sources": [\n {"file": "a.wav", "trajectory": "walk.csv", "start": 0.5},\n'
        b' {"file": "b.wav", "azimuth": -90, "elevation": 10, "distance": 2, "downmix": true}\n]}',
    ]
    return [("scene.json", scene) for scene in scenes]


def _scene_neighbors(folder: Path) -> None:
    import soundfile

    soundfile.write(folder / "a.wav", sound(), 16_000)
    soundfile.write(folder / "b.wav", np.stack([sound(), -sound()], axis=1), 16_000)
    (folder / "walk.csv").write_text("time,azimuth\n0,0\n1,90\n")
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")


def _scene(path: Path) -> None:
    from soundstage.binaural import read_scene

    for source in read_scene(path).sources:
        for _, block in zip(range(4), source.blocks(16_000), strict=False):
            assert np.isfinite(block).all()


def _trajectory_seeds(folder: Path) -> list[tuple[str, bytes]]:
    angles = "time,azimuth,elevation,radius\n0,90,0,1.5\n1.5,0,30,2\n3,-90,0,2\n"
    places = "time,x,y,z,yaw,pitch,roll\n0,1,0,0,0,0,0\n1,1,1,0,90,0,0\n"
    turns = "time,x,y,z,qx,qy,qz,qw\n0,1,0,0,0,0,0,1\n1,1,1,0,0,0,1,1\n"
    points = '{"points": [{"time": 0, "azimuth": 90},\n {"time": 1.5, "azimuth": 0}]}'
    poses = "1 0 0 0 0 0 1\n1 0.1 0 0 0 0 1\n" * 20
    texts = [("a.csv", angles), ("a.csv", places), ("a.csv", turns), ("a.json", points)]
    return [(name, text.encode()) for name, text in [*texts, ("a.txt", poses)]]


def _trajectory(path: Path) -> None:
    from soundstage.binaural import read_trajectory

    poses = read_trajectory(path).at(np.linspace(-1, 5, 50))
    assert np.isfinite(poses.positions).all()


def _manifest_seeds(folder: Path) -> list[tuple[str, bytes]]:
    tracks = "file,split,title,artist,licence\na.wav,test,A,B,CC0\nb.wav,train,C,D,CC BY\n"
    stems = "file,song,stem\na.wav,One,drums\nb.wav,One,bass\n"
    events = "file,fold,class,clip_license\na.wav,1,dog,CC0\nb.wav,2,cat,CC0\n"
    speech = "file,speaker,license\na.wav,Ann,CC0\nb.wav,Bob,CC0\n"
    return [("manifest.csv", text.encode()) for text in (tracks, stems, events, speech)]


def _manifest(path: Path) -> None:
    from soundstage.corpora.events import event_clips
    from soundstage.corpora.joined_speech import speech_files
    from soundstage.corpora.layouts import open_corpus, read_credits
    from soundstage.errors import SoundstageError

    folder = path.parent
    refusals = []
    for read in (
        partial(open_corpus, folder),
        partial(open_corpus, folder, split="test"),
        partial(event_clips, folder),
        partial(speech_files, folder),
        partial(read_credits, path, [folder / "a.wav"]),
    ):
        with suppress(SoundstageError):
            read()
            continue
        refusals.append(read)
    if len(refusals) == 5:
        read_credits(path, [])
        raise SoundstageError("all refuse it.")


# Prompts and descriptions of `generate`

_PROMPTS = (
    "a dog barking behind me to the left, then a car passing from right to left, rain all around, "
    "in a large hall, 8 seconds",
    "EVENT: church bells & LOCATION: DOA 240",
    "three birds at 2 o'clock, 30 degrees above me, 5 m away, quietly",
)


def _prompt_seeds(folder: Path) -> list[tuple[str, bytes]]:
    return [(f"{number}.txt", text.encode()) for number, text in enumerate(_PROMPTS)]


def _prompt(path: Path) -> None:
    from soundstage.scene.options import read_prompt

    description = read_prompt(path.read_bytes().decode("utf-8", "surrogateescape"))
    assert description.events
    assert all(event.text for event in description.events)


def _description_seeds(folder: Path) -> list[tuple[str, bytes]]:
    from soundstage.scene.prompts import parse_prompt

    texts = [parse_prompt(prompt).to_json().encode() for prompt in _PROMPTS]
    return [(f"{number}.json", text) for number, text in enumerate(texts)]


def _description(path: Path) -> None:
    from soundstage.scene.description import SceneDescription
    from soundstage.scene.options import read_prompt

    description = read_prompt(str(path))
    again = path.with_name("again.json")
    again.write_text(description.to_json(), encoding="utf-8")
    read = read_prompt(str(again))
    again.unlink()
    assert isinstance(read, SceneDescription)
    assert read == description


TARGETS = {
    "sound": Target(lambda folder: audio_seeds(), _upmix, damage_bytes),
    "sofa": Target(_sofa_seeds, _sofa, damage_bytes),
    "weights": Target(_weights_seeds, _weights, damage_safetensors),
    "recipe": Target(_recipe_seeds, _recipe, damage_text),
    "scene": Target(_scene_seeds, _scene, damage_text, _scene_neighbors),
    "trajectory": Target(_trajectory_seeds, _trajectory, damage_text),
    "prompt": Target(_prompt_seeds, _prompt, damage_text),
    "description": Target(_description_seeds, _description, damage_text),
    "manifest": Target(_manifest_seeds, _manifest, damage_text, _scene_neighbors),
}
