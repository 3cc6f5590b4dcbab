"""Options that several commands share, each with one name, one help text and one check."""

from pathlib import Path
from typing import Annotated

import typer

FILES, INPUTS, PLACES = "Files", "Stereo inputs", "Places"  # sections of the help
FIELDS, TAKES = "Ambisonics", "Takes"

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="A folder, or a file for a single input. By default beside each input.",
        rich_help_panel=FILES,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        help="Template for file names in a folder, such as {stem}-new{ext}.", rich_help_panel=FILES
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="File format of the results, such as flac.", rich_help_panel=FILES
    ),
]
BitDepth = Annotated[
    str | None,
    typer.Option(
        help="8, 16, 24, 32, float or double. By default the bit depth of the input.",
        rich_help_panel=FILES,
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(help="Sample rate in Hz. By default that of the input.", rich_help_panel=FILES),
]
BitRate = Annotated[
    int | None,
    typer.Option("--bitrate", help="Of a lossy format, in kbit/s.", rich_help_panel=FILES),
]
Proof = Annotated[
    bool,
    typer.Option(help="Read each result back and compare its mono sum.", rich_help_panel=FILES),
]
Takes = Annotated[
    int,
    typer.Option(
        min=1, max=32, help="Number of takes, with seeds from --seed on.", rich_help_panel=TAKES
    ),
]
TakeSeed = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        help="Random seed; the same seed, the same result.",
        rich_help_panel=TAKES,
    ),
]
Sheet = Annotated[
    bool | None,
    typer.Option(
        "--sheet/--no-sheet",
        help="Contact sheet of several takes, {stem}-takes.png (default).",
        rich_help_panel=TAKES,
    ),
]
Listen = Annotated[
    bool,
    typer.Option(
        "--listen",
        help="A listening page of the input and all takes, {stem}-listen.html.",
        rich_help_panel=TAKES,
    ),
]
Downmix = Annotated[
    bool,
    typer.Option("--downmix", help="Downmix stereo inputs to mono first.", rich_help_panel=INPUTS),
]
Place = Annotated[
    str | None,
    typer.Option(
        help='Where sources stand, in dB to the left or in words: "lead=0, other=wide".',
        rich_help_panel=PLACES,
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", help="A plan that --write-plan wrote.", rich_help_panel=PLACES),
]
Stems = Annotated[
    Path | None,
    typer.Option(
        help="Folder with stems of the input, or with one lead stem: they are placed as they are.",
        rich_help_panel=PLACES,
    ),
]
SeparatorName = Annotated[
    str | None,
    typer.Option(
        "--separator",
        help="Of the method separate: stems, formation, hpss, spleeter or demucs.",
        rich_help_panel=PLACES,
    ),
]
WritePlan = Annotated[
    bool,
    typer.Option(
        "--write-plan",
        help="Write where sources stand beside each result, as .plan.json.",
        rich_help_panel=PLACES,
    ),
]
WriteStems = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the sources that the method places; they add up to the input.",
        rich_help_panel=PLACES,
    ),
]
Ambix = Annotated[
    int | None,
    typer.Option(
        "--ambix",
        min=1,
        max=3,
        help="Write ambisonics of this order, 1 to 3: 4, 9 or 16 channels.",
        rich_help_panel=FIELDS,
    ),
]
Convention = Annotated[
    str | None,
    typer.Option(
        "--convention",
        help="Of ambisonics: ambix (ACN, SN3D; the default), n3d (ACN, N3D) or fuma.",
        rich_help_panel=FIELDS,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing", help="Leave results that exist; so the same command resumes a batch."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON objects, one a line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
NoProgress = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed; the same seed, the same result.")]
Device = Annotated[
    str, typer.Option(help="auto (a CUDA GPU if there is one), cpu, cuda, cuda:N or mps.")
]
FileJobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Files to process in parallel. By default the number of cores, or 1 on a GPU.",
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes.")]
Inputs = Annotated[list[Path], typer.Argument(help="Sound files, or folders of them.")]


def split_list(text: str | None) -> list[str]:
    """The parts of a list with commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
