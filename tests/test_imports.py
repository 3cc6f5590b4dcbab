"""The house of `soundstage`: rooms on floors, and imports that only ever go down."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import soundstage

PACKAGE = Path(soundstage.__file__).parent

# From the top; a room may use those below it
ORDER = [
    "cli",
    "web",
    "listening",
    "evaluation",
    "training",
    "scene",
    "upmixing",
    "separation",
    "metrics",
    "corpora",
    "binaural",
    "ambisonics",
    "stereo",
    "networks",
    "diffusion",
    "spectra",
    "audio",
    "weights",
    "parallel",
    "seeding",
    "atomic_files",
    "errors",
]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module: str) -> str:
    """The room, or "" for the public face `soundstage` itself."""
    return ".".join(module.split(".")[1:2])


def imports_of(source: str, module: str, *, is_package: bool) -> set[str]:
    """Modules of ours that a source names anywhere, also inside functions."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inner = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            named.update(inner)
            if len(inner) < len(node.names):
                named.add(base)
    return {name for name in named if name.split(".")[0] == "soundstage"}


IMPORTS = {
    module: imports_of(
        path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py"
    )
    for module, path in MODULES.items()
}


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(module) for module in MODULES} - {""}
    assert rooms <= set(ORDER)
    assert {"spectra", "stereo", "upmixing", "cli"} <= rooms  # the modules were really found


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module)])
def test_imports_only_go_down(module: str) -> None:
    place = ORDER.index(room_of(module))
    for imported in IMPORTS[module]:
        room = room_of(imported)
        if not room:  # the public face, which only what stands above it may use
            assert room_of(module) in ("cli", "web"), f"{module} imports {imported}"
        else:
            assert ORDER.index(room) >= place, f"{module} imports {imported}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_ever_unpickled(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    assert not {"pickle", "joblib", "shelve"} & {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in [*node.names, ast.alias(getattr(node, "module", None) or "")]
    }
    assert "torch.load" not in source
    assert "allow_pickle=True" not in source


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("import soundstage.stereo", {"soundstage.stereo"}),
        ("from soundstage.stereo import encode", {"soundstage.stereo"}),
        ("from soundstage.stereo import bands", {"soundstage.stereo.bands"}),
        ("from soundstage import audio, upmix_file", {"soundstage", "soundstage.audio"}),
        ("def late():\n    from soundstage.audio import Audio", {"soundstage.audio"}),
        ("from ..audio import Audio", {"soundstage.audio"}),
        ("from . import stft", {"soundstage.spectra.stft"}),
        ("import torch\nfrom numpy import array", set()),
    ],
)
def test_the_reader_of_imports_sees_them_all(source: str, wanted: set[str]) -> None:
    assert imports_of(source, "soundstage.spectra.sample_queue", is_package=False) == wanted


@pytest.mark.parametrize("module", ["soundstage", "soundstage.cli.main"])
def test_the_command_line_and_the_public_face_start_without_torch(module: str) -> None:
    program = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", soundstage.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(soundstage, name) is not None
    assert not isinstance(getattr(soundstage, name), type(sys)), f"{name} is a module"
    assert name in dir(soundstage)


def test_the_filters_of_ffmpeg_are_measured_without_torch() -> None:
    program = "import soundstage.evaluation.ffmpeg_filters, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
