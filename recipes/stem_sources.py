"""Gather stems to train the separator `stems` on, from music, speech and packages that are free.

    python recipes/stem_sources.py speech TARGET --speech FOLDER
    python recipes/stem_sources.py packages TARGET --cache FOLDER [--hours 1]
    python recipes/stem_sources.py survey SHARES.csv --music FOLDER
    python recipes/stem_sources.py voices TARGET --cache FOLDER
    python recipes/stem_sources.py voices TARGET --music FOLDER --songs SONGS.txt
    python recipes/stem_sources.py instrumental TARGET --music FOLDER --shares SHARES.csv

TARGET becomes a collection: mono FLAC files at 44.1 kHz in a folder a song, and `manifest.csv` with
their kind (lead, voice, drums, bass, object, accompaniment), license and source. A call that was
stopped goes on where it was. Music and speech are folders with a `manifest.csv` of the columns
`file`, `licence` and `title` and `artist` or `speaker`.

- speech: every speaker as a lead voice, as singing with a melody of its own, and as a choir.
- packages: drums, bass lines and loops of one-shots in Debian packages (apt-get and dpkg-deb).
- survey: how much of every song Spleeter takes for a voice. Instruments that sing pass for one, so
  the list of songs for `voices` is made by listening to those that score high.
- voices: lead and backing voices of songs, estimated by Spleeter in true stereo: of the files that
  SONGS.txt lists, one a line, or of a band whose songs are in a Debian package.
- instrumental: mono excerpts of songs in which it hears none, and of piano and chip music.

Beside the packages of the project, speech needs `pip install pyworld "setuptools<80"`, survey and
voices need the package of the separator spleeter.
"""

import argparse
import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from stem_collection import RATE, Collection, Mono

VALID_SPEAKERS = 15
VOICE_FLOOR = 0.1
"""Share of the energy that a voice must have in a second to count as clean."""
SILENT = 0.02
"""Share under which a second has no voice."""


def seeded(*names: object) -> np.random.Generator:
    """A generator that depends on names alone, so that no order of files matters."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(list(digest[:16]))


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The manifest of a folder."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def gather_speech(target: Path, folder: Path) -> None:
    """Speech, singing and a choir of every speaker; some speakers are left to choose on."""
    from stem_teacher import read
    from sung_speech import analyze, choir, compose, resampled, sing, with_highs

    collection = Collection(target)
    speakers: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows_of(folder):
        speakers[row["speaker"]].append(row)
    order = sorted(speakers, key=lambda name: hashlib.sha256(name.encode()).digest())
    valid = set(order[:VALID_SPEAKERS])
    for speaker in order:
        for number, row in enumerate(speakers[speaker][:8]):
            song = f"{speaker}-{number}"
            if song in collection.songs:
                continue
            generator = seeded(song)
            rate = int(row["sample_rate"])
            samples = read(folder / row["file"], rate)[0]
            spoken = with_highs(resampled(samples, rate), rate, generator)
            speech = analyze(samples, rate)
            stems = {"speech": ("lead", spoken)}
            for take in range(2 if number == 0 else 1):
                melody = compose(speech, generator)
                stems[f"sung-{take}"] = ("lead", sing(speech, melody, generator))
                if take == 0:
                    stems["choir"] = ("voice", choir(speech, melody, generator))
            source = f"{row['corpus']}, {row['source_repository']}, {row['source_path']}"
            changes = "sung and choir: WORLD resynthesis"
            if rate < RATE / 2 + 1:
                changes += f"; above {0.475 * rate / 1000:.1f} kHz synthetic"
            split = "valid" if speaker in valid else "train"
            collection.add(song, stems, row["licence"], f"{source} ({changes})", split)


def sorted_voices(lead: Mono, others: Mono, backing: float) -> dict[str, tuple[str, Mono]]:
    """The stems of an excerpt out of its centered and its other voices.

    Voices that are mostly wide are taken for one lead voice that was doubled: in its centered tiles
    alone it would have holes.

    Args:
        lead: the centered voices.
        others: the panned and the wide voices.
        backing: share of the energy of all voices from which the others are kept.
    """
    share = float((others**2).sum() / ((lead**2).sum() + (others**2).sum() + 1e-9))
    if share > 0.5:
        return {"lead": ("lead", lead + others)}
    if share > backing:
        return {"lead": ("lead", lead), "backing": ("voice", others)}
    return {"lead": ("lead", lead)}


def gather_voices(
    target: Path, folder: Path, songs: set[str], weights: str | None, backing: float = 0.2
) -> None:
    """Lead and backing voices of stereo songs, in excerpts of 4 to 30 s.

    Args:
        target: folder of the collection.
        folder: stereo music with a manifest.
        songs: files to use.
        weights: of Spleeter, unless its package is installed.
        backing: energy of the backing voices over all voices from which they are kept; under
            it they are mostly the reverberation of the lead and what bled from instruments.
    """
    from stem_teacher import (
        Teacher,
        excerpts_with_voice,
        gate,
        lead_and_backing,
        read,
        share_by_second,
    )

    collection, teacher = Collection(target), Teacher(weights)
    for row in rows_of(folder):
        if row["file"] not in songs:
            continue
        stereo = read(folder / row["file"])[:2]
        if len(stereo) < 2:
            continue
        vocals = teacher.vocals(stereo)
        share = share_by_second(vocals, stereo)
        lead, others = (gate(part, share, SILENT) for part in lead_and_backing(vocals))
        for first, last in excerpts_with_voice(share, VOICE_FLOOR):
            name = f"{Path(row['file']).with_suffix('').as_posix().replace('/', '--')}-{first:03d}"
            if name in collection.songs:
                continue
            part = slice(first * RATE, last * RATE)
            stems = sorted_voices(lead[part], others[part], backing)
            source = f"{row['artist']}, {row['title']}; vocals estimated by Spleeter"
            collection.add(name, stems, row["licence"], source)


def survey(table: Path, folder: Path, weights: str | None, seconds: float = 11.8) -> None:
    """Write the shares of the voice in two excerpts of every song of a folder.

    Args:
        table: CSV file to write or to go on with; columns file, median, upper, largest: quantiles
            0.5, 0.8 and 1 of the share in a second.
        folder: stereo music with a manifest.
        weights: of Spleeter, unless its package is installed.
        seconds: length of an excerpt; what the network sees at once.
    """
    from stem_teacher import Teacher, read, share_by_second

    known = set()
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            known = {row["file"] for row in csv.DictReader(file)}
    teacher, length = Teacher(weights), int(seconds * RATE)
    with table.open("a", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        if not known:
            out.writerow(["file", "median", "upper", "largest"])
        for row in rows_of(folder):
            stereo = (
                read(folder / row["file"])[:2] if row["file"] not in known else np.zeros((0, 0))
            )
            if len(stereo) < 2 or stereo.shape[1] < length:
                continue
            shares = []
            for place in (0.3, 0.7):
                center = int(place * stereo.shape[1])
                start = min(max(center - length // 2, 0), stereo.shape[1] - length)
                part = np.ascontiguousarray(stereo[:, start : start + length])
                shares.append(share_by_second(teacher.vocals(part), part))
            quantiles = np.quantile(np.concatenate(shares), [0.5, 0.8, 1])
            out.writerow([row["file"], *(f"{value:.3f}" for value in quantiles)])
            file.flush()


def gather_instrumental(target: Path, folder: Path, table: Path, seconds: int = 20) -> None:
    """An excerpt in mono from the middle of every song without a voice."""
    from stem_teacher import read

    collection = Collection(target)
    with table.open(newline="", encoding="utf-8") as file:
        upper = {row["file"]: float(row["upper"]) for row in csv.DictReader(file)}
    for row in rows_of(folder):
        name = Path(row["file"]).with_suffix("").as_posix().replace("/", "--")
        voiceless = upper.get(row["file"], 1.0) < SILENT
        certain = row["genre"].startswith(("piano", "chip")) and row["split"] == "train"
        if name in collection.songs or not (voiceless or certain):
            continue
        stereo = read(folder / row["file"])
        start = max(stereo.shape[1] // 2 - seconds * RATE // 2, 0)
        mono = stereo[:, start : start + seconds * RATE].mean(0)
        stems = {"mixture": ("accompaniment", mono)}
        collection.add(name, stems, row["licence"], f"{row['artist']}, {row['title']}")


def main() -> None:
    """Gather one kind of material."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=["speech", "packages", "survey", "voices", "instrumental"])
    parser.add_argument("target", type=Path)
    for option in ("--speech", "--music", "--songs", "--shares", "--cache"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--weights", help="of Spleeter, unless its package is installed")
    parser.add_argument("--hours", type=float, default=1.0)
    options = parser.parse_args()
    if options.kind == "speech":
        gather_speech(options.target, options.speech)
    elif options.kind == "packages":
        from stem_packages import gather_packages

        gather_packages(options.target, options.cache, options.hours, seeded)
    elif options.kind == "survey":
        survey(options.target, options.music, options.weights)
    elif options.kind == "voices":
        from stem_packages import sung_songs

        music = options.music or sung_songs(options.cache)
        songs = {row["file"] for row in rows_of(music)}
        if options.songs:
            songs &= set(options.songs.read_text(encoding="utf-8").splitlines())
        gather_voices(options.target, music, songs, options.weights)
    else:
        gather_instrumental(options.target, options.music, options.shares)


if __name__ == "__main__":
    main()
