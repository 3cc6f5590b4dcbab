"""`soundstage generate`: a sentence in, spatial sound for headphones out, or ambisonics."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundstage.cli.console import in_flags, progress_bar, say
from soundstage.cli.options import FILES, Ambix, Convention, Device, Json, Overwrite, Quiet

if TYPE_CHECKING:
    from soundstage.evaluation.plots.scene_figure import SceneFigure
    from soundstage.parallel import Progress
    from soundstage.scene.take_work import TakeReport
    from soundstage.scene.takes import Take

_SCENE, _SOURCE, _TAKES = "Scene", "Source of the sounds", "Takes"  # sections of the help


def generate(
    prompt: Annotated[
        str,
        typer.Argument(
            help='What sounds where, such as "a dog barking behind me, then a car passing from '
            'right to left, rain all around, in a large hall". A file of a description (.json) '
            "is read."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A file or a folder. By default named after the events.",
            rich_help_panel=FILES,
        ),
    ] = None,
    scene: Annotated[
        Path | None,
        typer.Option(
            help="Write the scene (.json): `soundstage binaural` renders it again.",
            rich_help_panel=FILES,
        ),
    ] = None,
    stems: Annotated[
        Path | None,
        typer.Option(help="Folder for the dry mono stems.", rich_help_panel=FILES),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Plot the scene from above, and the spectrograms of both ears (.png).",
            rich_help_panel=FILES,
        ),
    ] = None,
    suffix: Annotated[
        str | None,
        typer.Option("--format", help="File format, such as flac.", rich_help_panel=FILES),
    ] = None,
    bit_depth: Annotated[
        str | None,
        typer.Option(
            help="8, 16, 24, 32, float or double; by default 24, where the format has it.",
            rich_help_panel=FILES,
        ),
    ] = None,
    rate: Annotated[int, typer.Option(help="Sample rate in Hz.", rich_help_panel=FILES)] = 48_000,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length. By default that of the prompt, or as long as its events.",
            rich_help_panel=_SCENE,
        ),
    ] = None,
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="A seamless loop: reverberation and sounds that cross the end go on at the start.",
            rich_help_panel=_SCENE,
        ),
    ] = False,
    room: Annotated[
        str | None,
        typer.Option(
            help="A name, such as church, outdoors or large hall, or a size, such as 6x4x3. By "
            "default that of the prompt.",
            rich_help_panel=_SCENE,
        ),
    ] = None,
    hrtf: Annotated[
        str | None,
        typer.Option(help="A SOFA file, or kemar, the bundled HRTF set.", rich_help_panel=_SCENE),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="auto, library, mono, dualspec, another variant of it, or diffusers=FOLDER.",
            rich_help_panel=_SOURCE,
        ),
    ] = "auto",
    library: Annotated[
        Path | None,
        typer.Option(help="Folder of your own sounds.", rich_help_panel=_SOURCE),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Diffusion steps of a model.", rich_help_panel=_SOURCE)
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(help="Scale of classifier-free guidance of a model.", rich_help_panel=_SOURCE),
    ] = None,
    negative_prompt: Annotated[
        str,
        typer.Option(help="Sounds that a diffusers model avoids.", rich_help_panel=_SOURCE),
    ] = "",
    vocoder: Annotated[
        str,
        typer.Option(
            help="Of a model: vocoder, griffin-lim, or hifigan=FOLDER.", rich_help_panel=_SOURCE
        ),
    ] = "vocoder",
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Your own weights of a model, from `soundstage train`.", rich_help_panel=_SOURCE
        ),
    ] = None,
    takes: Annotated[
        int,
        typer.Option(
            min=1,
            max=32,
            help="Number of takes, with seeds from --seed on.",
            rich_help_panel=_TAKES,
        ),
    ] = 1,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Random seed; the same seed, the same result.", rich_help_panel=_TAKES
        ),
    ] = 0,
    ambix: Ambix = None,
    convention: Convention = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what is understood and write nothing.")
    ] = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Generate spatial sound from a sentence, for headphones or as ambisonics."""
    from soundstage.cli.batch import print_records, run_files
    from soundstage.scene.options import GenerateOptions, read_prompt, understood_lines
    from soundstage.scene.sources.source import SourceOptions
    from soundstage.scene.takes import plan_takes

    description = read_prompt(prompt)
    options = GenerateOptions(
        source,
        None if library is None else str(library),
        seconds,
        rate,
        loop,
        room,
        hrtf,
        bit_depth,
        ambix,
        convention,
    )
    planned = plan_takes(
        " ".join(event.text for event in description.events),
        output,
        takes=takes,
        seed=seed,
        suffix=suffix,
        bit_depth=bit_depth,
        scene=scene,
        stems=stems,
        picture=plot,
        ambix=ambix,
        convention=convention,
    )
    if dry_run and json_output:
        record: dict[str, Any] = {"status": "planned"}
        record["description"] = json.loads(description.to_json())
        print_records([record | {"targets": [str(take.target) for take in planned]}])
        return
    if not (quiet or json_output):
        say(*understood_lines(description))
    if dry_run:
        say(*(str(take.target) for take in planned))
        return
    for take in planned:
        take.check(overwrite=overwrite)
        if take.picture is not None:
            _figure(take.picture, overwrite=overwrite)
    from soundstage.scene.api import SceneGenerator
    from soundstage.scene.take_work import TakeWork

    with progress_bar("library", shown=not (quiet or json_output)) as bar:
        of_source = SourceOptions(
            weights=None if weights is None else str(weights),
            device=device,
            steps=steps,
            guidance=guidance,
            negative_prompt=negative_prompt,
            vocoder=vocoder,
            progress=lambda done, count: bar(done / max(count, 1)),
        )
        work = TakeWork(description, SceneGenerator(options, of_source), overwrite)

    def show(report: "TakeReport") -> None:
        say(*map(in_flags, report.lines()))

    def run(take: "Take", progress: "Progress") -> "TakeReport":
        report = work(take, progress)
        if take.picture is not None:
            figure = _figure(take.picture, overwrite=overwrite)
            figure.draw(report.composed, take.target, report.rendered.convention)
        return report

    run_files(
        lambda: run,
        planned,
        [take.target for take in planned],
        records=lambda report: [{"source": report.rendered.target} | report.as_dict()],
        show=show,
        jobs=1,
        json_output=json_output,
        quiet=quiet,
    )


def _figure(picture: Path, *, overwrite: bool) -> "SceneFigure":
    from soundstage.evaluation.plots.scene_figure import SceneFigure

    return SceneFigure(picture, overwrite=overwrite)
