"""The tree of `soundstage`: packages on floors, imports that only go down, and a light start."""

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import soundstage

PACKAGE = Path(soundstage.__file__).parent

# From the top; a package may use those below it
ORDER = [
    "__main__",
    "cli",
    "web",
    "listening",
    "evaluation",
    "training",
    "scene",
    "restyling",
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
    "worker_processes",
    "limited_process",
    "open_files",
    "seeding",
    "precision",
    "documents",
    "cache_folder",
    "text_files",
    "atomic_files",
    "hidden_files",
    "interruption",
    "errors",
]

# Open checkpoints of other projects, nothing but arrays: of a published package; of a user's file
PLAIN_CHECKPOINTS = {"soundstage.separation.spleeter", "soundstage.weights.external"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def floor_of(module: str) -> str:
    """The package below `soundstage`, or "" for the public API in `soundstage` itself."""
    return ".".join(module.split(".")[1:2])


def imports_of(source: str, module: str, *, is_package: bool) -> set[str]:
    """Modules of `soundstage` that a source imports anywhere, including inside functions."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inner = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            imported.update(inner)
            if len(inner) < len(node.names):
                imported.add(base)
    return {name for name in imported if name.split(".")[0] == "soundstage"}


def read_imports(module: str, path: Path) -> set[str]:
    """Those of the module, and of the stub that lists the lazy exports of a package."""
    files = [path, *([path.with_suffix(".pyi")] if path.with_suffix(".pyi").exists() else [])]
    is_package = path.name == "__init__.py"
    sources = [file.read_text(encoding="utf-8") for file in files]
    return set.union(*(imports_of(each, module, is_package=is_package) for each in sources))


IMPORTS = {module: read_imports(module, path) for module, path in MODULES.items()}


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import soundstage.stereo", {"soundstage.stereo"}),
        ("from soundstage.stereo import encode", {"soundstage.stereo"}),
        ("from soundstage.audio import level", {"soundstage.audio.level"}),
        ("from soundstage import audio, upmix_file", {"soundstage", "soundstage.audio"}),
        ("def late():\n    from soundstage.audio import Audio", {"soundstage.audio"}),
        ("from ..audio import Audio", {"soundstage.audio"}),
        ("from . import stft", {"soundstage.spectra.stft"}),
        ("import torch\nfrom numpy import array", set()),
    ],
)
def test_imports_are_found(source: str, imported: set[str]) -> None:
    assert imports_of(source, "soundstage.spectra.some_module", is_package=False) == imported


def test_imports_only_go_down() -> None:
    assert {floor_of(module) for module in MODULES} - {""} <= set(ORDER)
    wrong = []
    for module, imported in IMPORTS.items():
        for name in imported:
            if not floor_of(module):
                continue
            if not floor_of(name):  # the public API, for the floors above it
                allowed = floor_of(module) in ("__main__", "cli", "web")
            else:
                allowed = ORDER.index(floor_of(name)) >= ORDER.index(floor_of(module))
            if not allowed:
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_nothing_is_ever_unpickled() -> None:
    wrong = []
    for module, path in MODULES.items():
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                if {name.split(".")[0] for name in names} & {"pickle", "joblib", "shelve"}:
                    wrong.append(module)
        loads = source.count("torch.load")
        arrays_only = source.count('torch.load(path, map_location="cpu", weights_only=True)')
        if loads != arrays_only or "allow_pickle=True" in source:
            wrong.append(module)
        if arrays_only and module not in PLAIN_CHECKPOINTS:
            wrong.append(module)
    assert wrong == []


def test_every_public_name_is_there() -> None:
    """Also imports every module that a package exports from."""
    program = """
import importlib, pkgutil, sys, types
import soundstage
names = ["soundstage"]
names += [f"soundstage.{m.name}" for m in pkgutil.iter_modules(soundstage.__path__) if m.ispkg]
for package in map(importlib.import_module, names):
    for name in getattr(package, "__all__", []):
        assert not isinstance(getattr(package, name), types.ModuleType), (package, name)
        assert name in dir(package), (package, name)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def modules_after(program: str) -> set[str]:
    """Names of all modules that a program has imported at its end."""
    program += "\nimport sys\nprint('\\n', *sys.modules, sep='\\n')"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    )
    return set(run.stdout.splitlines())


COMMAND = """
import sys
from soundstage.cli.main import app
sys.argv[1:] = {arguments}
try:
    app()
except SystemExit:
    pass
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models"],
        ["upmix", "missing.wav"],
        ["upmix", __file__, "--dry-run"],
        ["binaural", __file__, "--dry-run"],
        ["binaural", __file__, "--steps", "3"],
        ["generate", "a dog barking on the left", "--dry-run"],
        ["generate", "a dog barking on the left", "--source", "tape"],
    ],
)
def test_plans_and_refusals_come_without_torch(arguments: list[str]) -> None:
    loaded = modules_after(COMMAND.format(arguments=arguments))
    assert sorted(loaded & {"torch", "scipy", "rich.progress"}) == []


def test_light_modules_come_without_torch() -> None:
    assert "torch" not in modules_after(
        "import soundstage, soundstage.parallel, soundstage.evaluation.ffmpeg_filters"
    )


@pytest.mark.parametrize("method", ["comb", "masked"])
def test_upmixing_imports_no_compiler_and_no_library_for_other_tasks(
    method: str, tmp_path: Path
) -> None:
    program = f"""
import numpy, soundfile
soundfile.write({str(tmp_path / "a.wav")!r}, numpy.zeros(4410), 44100)
"""
    arguments = ["upmix", str(tmp_path / "a.wav"), "-m", method]
    loaded = modules_after(program + COMMAND.format(arguments=arguments))
    assert (tmp_path / "a-stereo.wav").exists()
    heavy = ("torch._dynamo", "scipy.signal", "netCDF4", "pyarrow", "matplotlib", "av", "jinja2")
    assert sorted(loaded & set(heavy)) == []
