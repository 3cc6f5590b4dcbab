"""README and docs: every command and program runs, every option exists, every link resolves."""

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

import sounds
from making import make_film
from making_recordings import write_hrtf_sets, write_speech
from soundstage.cli.main import app, main
from spheres import grid, sphere_head, write_sofa

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RATE = 44_100
WRITING = ("upmix", "restyle", "separate", "binaural", "generate", "train")
OTHER_PROGRAMS = "pip install|apt-get install|torchrun|tensorboard"


def fences(page, language):
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [text for name, text in found if name == language]


def commands(page):
    lines = [line for block in fences(page, "") for line in block.splitlines()]
    return [line for line in lines if line.startswith("soundstage ")]


def programs(page):
    return fences(page, "python")


def named_programs(page):
    """Programs that begin with the name of their file, by that name."""
    named = [(text.partition("\n")[0], text) for text in programs(page)]
    return {line[2:]: text for line, text in named if re.fullmatch(r"# \w+\.py", line)}


def declared_options():
    """Options of the command line, and of the programs that the pages run."""
    names = {"--help", "--no-python"}  # the second is torchrun's, on a line of its own
    group = typer.main.get_command(app)
    for command in [group, *group.commands.values()]:
        for parameter in command.params:
            names.update([*parameter.opts, *parameter.secondary_opts])
    for folder in ("benchmarks", "examples", "recipes"):
        for program in (ROOT / folder).glob("*.py"):
            names.update(re.findall(r'"(--[a-z0-9-]+)"', program.read_text(encoding="utf-8")))
    return names


def anchors(page):
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Folders of speech and of SOFA files."""
    folder = tmp_path_factory.mktemp("sources")
    return {"SPEECH": write_speech(folder / "speech"), "HRTFS": write_hrtf_sets(folder / "hrtfs")}


@pytest.fixture
def workspace(tmp_path, monkeypatch, sources):
    """A working folder with every file that the pages name."""
    generator = np.random.default_rng(0)
    mono = 0.1 * generator.standard_normal(RATE)
    for name in ("voice.wav", "steps.wav"):
        soundfile.write(tmp_path / name, mono[: RATE // 4], RATE)
    (tmp_path / "walk.csv").write_text("time,azimuth\n0,0\n0.2,90\n")
    (tmp_path / "head.csv").write_text("time,x,yaw\n0,0,0\n0.2,0.5,90\n")
    soundfile.write(
        tmp_path / "forest.ambix1.wav", 0.1 * generator.standard_normal((RATE, 4)), RATE
    )
    scene = [{"file": "voice.wav", "azimuth": 30}, {"file": "steps.wav", "trajectory": "walk.csv"}]
    (tmp_path / "scene.json").write_text(json.dumps({"sources": scene}))
    write_sofa(tmp_path / "my-head.sofa", sphere_head(grid(45)))
    stereo = 0.1 * generator.standard_normal((RATE, 2))
    for name in (
        "old.flac",
        "demo.wav",
        "recordings/a.wav",
        "recordings/song.wav",
        "stems/lead.wav",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, mono, RATE)
    for folder in (tmp_path / "Music" / "stereo", tmp_path / "TRACKS", tmp_path / "results"):
        folder.mkdir(parents=True)
        soundfile.write(folder / "one.wav", stereo, RATE)
    for name in ("mix.wav", "record.flac", "album/one.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, stereo, RATE)
    soundfile.write(tmp_path / "song.wav", mono, RATE)
    band = sounds.chord(RATE, level=0.1) + sounds.drums(RATE, level=0.2)
    voice = sounds.tone(RATE, hz=600.0)
    soundfile.write(tmp_path / "beat-group.flac", np.stack([band, voice]).T, RATE)
    soundfile.write(tmp_path / "results" / "song-stereo-1.wav", stereo, RATE)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    for name, folder in sources.items():
        (tmp_path / name).symlink_to(folder, target_is_directory=True)
    make_film(tmp_path / "film.mp4", muxer="mp4")
    (tmp_path / "their-results").mkdir()
    soundfile.write(tmp_path / "their-results" / "one.flac", 0.5 * stereo, RATE)
    for name, program in named_programs(ROOT / "docs" / "own-methods.md").items():
        (tmp_path / name).write_text(program, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


LONG = ("formation.md", "placed.md", "placement.md")  # separate many sounds


def length_of(page):
    return pytest.mark.long if page.name in LONG else pytest.mark.slow


def test_the_first_screen_upmixes_a_folder():
    start = PAGES[0].read_text(encoding="utf-8").splitlines()[:12]
    assert any(re.match(r"soundstage upmix \w+/ -o \w+/", line) for line in start)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=length_of(page)) for page in PAGES if commands(page)],
    ids=lambda page: page.name,
)
def test_every_command_on_the_page_runs(page, workspace, monkeypatch):
    for line in commands(page):
        words = [os.path.expanduser(word) for word in shlex.split(line, comments=True)]
        writes = words[1] in WRITING or "--plot" in words
        if writes and "--skip-existing" not in words:
            words.append("--overwrite")
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code, line


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=length_of(page)) for page in PAGES if programs(page)],
    ids=lambda page: page.name,
)
def test_every_program_on_the_page_runs(page, workspace):
    names = {
        "samples": 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32),
        "rate": RATE,
        "blocks": [np.zeros(1000, np.float32)] * 3,
    }
    for program in programs(page):
        exec(program.replace("samples, rate = ...", "samples, rate = samples, rate"), names)


def test_every_command_is_shown_on_a_page():
    blocks = [block for page in PAGES for kind in ("", "sh") for block in fences(page, kind)]
    lines = [line for block in blocks for line in block.splitlines()]
    shown = {line.split()[1] for line in lines if line.startswith("soundstage ")}
    assert not set(typer.main.get_command(app).commands) - shown


def test_every_option_on_the_pages_exists():
    options = declared_options()
    for page in PAGES:
        text = re.sub(r"<!--|-->|\|[ :|-]+\|", "", page.read_text(encoding="utf-8"))
        text = re.sub(rf"(?m)\b({OTHER_PROGRAMS})\b.*$", "", text)
        unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)) - options
        assert not unknown, page.name


def test_every_link_leads_to_a_file_and_a_heading():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        links = re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8"))
        for target, anchor in links:
            if not target.startswith("https://"):
                file = page.parent / target if target else page
                assert file.exists(), f"{page.name} links to {target}"
                assert not anchor or anchor in anchors(file), f"{page.name} links to #{anchor}"
