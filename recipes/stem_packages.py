"""Stems out of Debian packages: drum kits and one-shots that are played, loops, real guitars."""

import csv
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from drum_patterns import Kit, finished, line, pitch_of, play, role_of, synthetic_bass
from stem_collection import RATE, Collection, Mono
from stem_teacher import read

HYDROGEN = {
    "ColomboAcousticDrumkit": "GPL-2+ with composition exception",
    "ElectricEmpireKit": "GPL-2+",
    "HardElectro1": "GPL-2+",
    "VariBreaks": "GPL-2+",
    "Millo-Drums_v.1": "GPL-2",
    "Millo_MultiLayered2": "GPL-2",
    "Millo_MultiLayered3": "GPL-2",
    "The Black Pearl 1.0": "GPL-2",
    "ForzeeStereo": "GPL-2",
    "Gimme A Hand 1.0": "GPL-2",
    "BJA_Pacific": "CC-BY-SA-3.0-us",
    "circAfrique v4": "CC-BY-SA-3.0",
    "GMRockKit": "GPL-2+",
    "TR808EmulationKit": "GPL-2+",
}
"""License of the kits of hydrogen-drumkits and hydrogen-data by their packages' copyright files."""
PACKAGES = ("hydrogen-drumkits", "hydrogen-data", "sonic-pi-samples", "lmms-common")
GUITARS = ("fretsonfire-songs-muldjord", "fretsonfire-songs-sectoid")
"""Songs of a game whose solo guitar is a file of its own, CC-BY-SA-3.0."""
SINGERS = "marsshooter-data"
"""Songs of the band Obsidian Shell with a singer, CC-BY-SA-3.0."""
DRUM_LOOPS = ("loop_amen", "loop_breakbeat", "loop_industrial", "loop_perc", "loop_tabla")
BASS_LOOPS = ("rave_bass", "tb303", "techno_bass")
SOUNDS = (".wav", ".flac", ".ogg", ".aiff")
SONIC_PI, LMMS = "CC0-1.0", "GPL-2+"


def unpack(packages: tuple[str, ...], folder: Path) -> None:
    """Download Debian packages with apt-get and unpack them; those in the folder are kept."""
    for package in packages:
        if (folder / package).exists():
            continue
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=temporary, check=True)
            archive = next(Path(temporary).glob("*.deb"))
            subprocess.run(["dpkg-deb", "-x", archive, folder / package], check=True)


def one_shots(paths: list[Path], longest: float = 3.0) -> Iterator[tuple[str, Mono]]:
    """Names and sounds, in mono, without the silence before them, at most `longest` seconds.

    Files that libsndfile does not read, and silent ones, are left out.
    """
    for path in paths:
        try:
            mono = read(path).mean(0)
        except soundfile.LibsndfileError:
            continue
        peak = np.abs(mono).max(initial=0)
        if peak < 1e-4:
            continue
        start = max(int(np.argmax(np.abs(mono) > 0.01 * peak)) - 32, 0)
        sound = mono[start : start + int(longest * RATE)].copy()
        fade = min(len(sound), RATE // 50)
        sound[len(sound) - fade :] *= np.linspace(1, 0, fade)
        yield path.stem, sound


def kit_of(name: str, license_name: str, paths: list[Path]) -> Kit:
    """A kit of recordings; those of one role keep their balance."""
    sounds: dict[str, list[Mono]] = defaultdict(list)
    for stem, sound in one_shots(paths):
        role = role_of(stem)
        if role:
            sounds[role].append(sound)
    for role, group in sounds.items():
        peak = max(float(np.abs(sound).max()) for sound in group)
        sounds[role] = [sound / peak for sound in group]
    return Kit(name, license_name, dict(sounds))


def kits(folder: Path) -> Iterator[Kit]:
    """All kits of the unpacked packages with at least a kick or toms and something high."""

    def files(under: Path, pattern: str = "*") -> list[Path]:
        return sorted(path for path in under.glob(pattern) if path.suffix in SOUNDS)

    hydrogen = [p for name in PACKAGES[:2] for p in (folder / name).rglob("drumkits/*")]
    for path in sorted(hydrogen):
        if path.name in HYDROGEN:
            yield kit_of(path.name, HYDROGEN[path.name], files(path))
    pi = folder / "sonic-pi-samples/usr/share/sonic-pi/samples"
    yield kit_of("sonic-pi acoustic", SONIC_PI, files(pi, "drum_*"))
    electric = files(pi, "bd_*") + files(pi, "sn_*") + files(pi, "elec_*")
    yield kit_of("sonic-pi electric", SONIC_PI, electric + files(pi, "drum_cymbal*"))
    yield kit_of("lmms", LMMS, files(folder / "lmms-common/usr/share/lmms/samples/drums"))


def pitched(folder: Path) -> Iterator[tuple[str, str, Mono, float, str]]:
    """Kind, name, sound, pitch and license of the notes of bass lines and melodies."""
    pi = folder / "sonic-pi-samples/usr/share/sonic-pi/samples"
    samples = folder / "lmms-common/usr/share/lmms/samples"
    groups = [
        ("bass", sorted(pi.glob("bass_*")), SONIC_PI, 200.0),
        ("bass", sorted((samples / "basses").glob("*.ogg")), LMMS, 200.0),
        ("object", sorted((samples / "instruments").glob("*.ogg")), LMMS, 1000.0),
        ("object", sorted((samples / "stringsnpads").glob("*.ogg")), LMMS, 1000.0),
    ]
    for kind, paths, license_name, highest in groups:
        for name, sound in one_shots(paths):
            pitch = pitch_of(sound, highest)
            if pitch:
                yield kind, name, sound / np.abs(sound).max(), pitch, license_name


def gather_packages(
    target: Path,
    cache: Path,
    hours: float,
    seeded: Callable[..., np.random.Generator],
) -> None:
    """Drums for `hours`, half of that in basses, loops as they are, lines, and real guitars."""
    collection = Collection(target)
    cache.mkdir(parents=True, exist_ok=True)
    unpack(PACKAGES + GUITARS, cache)
    takes = int(hours * 120)  # of half a minute
    found = list(kits(cache))
    for take in range(takes):
        kit = found[take % len(found)]
        song = f"drums-{take:03d}"
        if song not in collection.songs:
            drums = play(kit, seeded(song))
            source = f"pattern on {kit.name}"
            collection.add(song, {"drums": ("drums", drums)}, kit.license, source)
    notes = list(pitched(cache))
    basses = [note for note in notes if note[0] == "bass"]
    for take in range(takes // 2):
        song, generator = f"bass-{take:03d}", seeded(f"bass-{take:03d}")
        if song in collection.songs:
            continue
        if take % 2:
            sound, pitch, name, license_name = (
                synthetic_bass(generator),
                55.0,
                "synthesis",
                "CC0-1.0",
            )
        else:
            _, name, sound, pitch, license_name = basses[take // 2 % len(basses)]
        samples = line(sound, pitch, generator)
        collection.add(song, {"bass": ("bass", samples)}, license_name, f"line of {name}")
    for kind, name, sound, pitch, license_name in notes:
        song = f"line-{name}"
        if kind == "object" and song not in collection.songs:
            samples = line(sound, pitch, seeded(song), (0.75 * pitch, 1.3 * pitch))
            collection.add(song, {"object": ("object", samples)}, license_name, f"line of {name}")
    gather_loops(collection, cache, seeded)
    gather_guitars(collection, cache)


def sung_songs(cache: Path) -> Path:
    """The folder of the songs of `SINGERS`, with a manifest."""
    cache.mkdir(parents=True, exist_ok=True)
    unpack((SINGERS,), cache)
    folder = cache / SINGERS / "usr/share/games/marsshooter/audio"
    paths = [folder / "tutorial.ogg", folder / "menu.ogg", *sorted(folder.glob("music/*.ogg"))]
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["file", "title", "artist", "licence"])
        for path in paths:
            name = path.relative_to(folder).as_posix()
            out.writerow([name, path.stem, "Obsidian Shell", "CC-BY-SA-3.0"])
    return folder


def gather_loops(
    collection: Collection, cache: Path, seeded: Callable[..., np.random.Generator]
) -> None:
    """Loops of drums and basses, repeated for 20 s."""
    pi = cache / "sonic-pi-samples/usr/share/sonic-pi/samples"
    samples = cache / "lmms-common/usr/share/lmms/samples"
    loops = [("drums", p, SONIC_PI) for p in pi.glob("loop_*") if p.stem.startswith(DRUM_LOOPS)]
    loops += [("drums", path, LMMS) for path in (samples / "beats").glob("*.ogg")]
    for path in (samples / "bassloops").glob("*.ogg"):
        if path.stem.startswith(BASS_LOOPS):
            loops.append(("bass", path, LMMS))
    for kind, path, license_name in sorted(loops, key=lambda loop: loop[1]):
        song = f"loop-{kind}-{path.stem}"
        if song in collection.songs:
            continue
        for name, sound in one_shots([path], longest=20):
            repeated = np.tile(sound, -(-20 * RATE // len(sound)))[: 20 * RATE]
            stems = {kind: (kind, finished(repeated, seeded(song), room=0.5))}
            collection.add(song, stems, license_name, f"loop {name}, repeated")


def gather_guitars(collection: Collection, cache: Path, seconds: int = 30) -> None:
    """The guitars of the songs that have them apart, in pieces of `seconds` that are not silent."""
    for package in GUITARS:
        for path in sorted((cache / package).rglob("guitar.ogg")):
            mono = read(path).mean(0)
            for start in range(0, len(mono) - 10 * RATE, seconds * RATE):
                piece = mono[start : start + seconds * RATE]
                song = f"guitar-{path.parent.name}-{start // RATE:03d}"
                if song in collection.songs or (np.abs(piece) > 0.02).mean() < 0.2:
                    continue
                source = f"Debian package {package}, {path.parent.name}/guitar.ogg"
                collection.add(song, {"guitar": ("object", piece)}, "CC-BY-SA-3.0", source)
