"""Methods from outside the package: where they stand, and how they are imported.

    NAME                 given to `register_method`, or by an installed package that has an entry
                         point in the group `soundstage.methods`
    module:NAME          in a module that can be imported; also one in the current folder
    path/to/file.py:NAME in a file

NAME is a class or a function; `own_methods` says which. An entry point is looked up only where no
method of the package has the name, and imported only where the method is loaded: an installed
package that fails to import disturbs nobody who does not name its method. No torch is needed here.
"""

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from soundstage.errors import MethodError, OptionError, SoundstageError, quoted, reason

GROUP = "soundstage.methods"
"""The entry points of installed packages: NAME = "module:attribute"."""


@cache
def plugin_references() -> dict[str, str]:
    """The methods of installed packages, "module:NAME" by name; nothing is imported."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)}


def is_reference(text: str) -> bool:
    """Whether a text has the form of module:NAME or path/to/file.py:NAME."""
    place, separator, attribute = text.rpartition(":")
    if not (separator and attribute.replace(".", "_").isidentifier()):
        return False
    return place.endswith(".py") or all(part.isidentifier() for part in place.split("."))


def attribute_of(reference: str) -> str:
    """The last part of a reference, the name of its class or function."""
    return reference.rpartition(":")[2].rpartition(".")[2]


def import_reference(reference: str) -> Any:
    """The class or function that a reference leads to.

    Raises:
        MethodError: there is no such file, module or name, or the import failed.
    """
    place, _, attribute = reference.rpartition(":")
    with explained(f"{reference} cannot be imported"):
        found: Any = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise MethodError(f"{place} has no class or function {quoted(part)}.")
        found = getattr(found, part)
    return found


def can_be_imported(factory: Any) -> bool:
    """Whether another process finds a class, function or object by its module and name."""
    found: Any = sys.modules.get(getattr(factory, "__module__", "") or "")
    for part in getattr(factory, "__qualname__", "<object>").split("."):
        found = getattr(found, part, None)
    return found is factory


def source_hash(factory: Any) -> str:
    """Identifies the code of a class or function: a hash of the whole file it is defined in.

    Of code without a file, such as that of an interactive session, it is the hash of its bytecode,
    or of its name where there is none. What the file imports does not count.
    """
    module = sys.modules.get(getattr(factory, "__module__", None) or type(factory).__module__)
    file = getattr(module, "__file__", None)
    if file and Path(file).is_file():
        content = Path(file).read_bytes()
    else:
        code = getattr(factory, "__code__", None)
        content = code.co_code + repr(code.co_consts).encode() if code else b""
    named = getattr(factory, "__qualname__", type(factory).__qualname__)
    return hashlib.sha256(named.encode() + content).hexdigest()[:16]


@contextmanager
def explained(beginning: str) -> Iterator[None]:
    """Errors of foreign code as one sentence, with the error and the line it comes from.

    Args:
        beginning: of the sentence, such as "The method mine failed".

    Raises:
        MethodError: for every exception but those of this package and an interruption.
    """
    try:
        yield
    except (SoundstageError, KeyboardInterrupt, GeneratorExit):
        raise
    except (Exception, SystemExit) as error:
        raise MethodError(f"{beginning}: {_described(error)}.") from error


def check_method_name(name: str, reserved: Callable[[str], bool]) -> None:
    """Check the name of a method to register.

    Raises:
        OptionError: a method of the package has it, or it cannot stand in lists and file names.
    """
    if reserved(name):
        raise OptionError(f"{name} is a method of Soundstage: choose another name.")
    if not name or not name.replace("-", "_").replace(".", "_").isidentifier():
        raise OptionError(
            f"A method cannot be named {quoted(name)}: use letters, digits, '-', '_' and '.'."
        )


def _described(error: BaseException) -> str:
    """The class and text of an error, and its innermost line in a file."""
    text = f"{type(error).__name__}: {reason(error)}" if str(error) else type(error).__name__
    lines = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if each.filename != __file__ and not each.filename.startswith("<frozen")
    ]
    return f"{text} ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else text


def _import_file(path: Path) -> ModuleType:
    """Import a file once a process, under a name that no module has."""
    path = path.expanduser().resolve()
    name = f"soundstage_own_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise MethodError(f"{path}: there is no such file.")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickled objects look it up there
    try:
        with _importing_from(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(name: str) -> ModuleType:
    with _importing_from(Path.cwd()):
        return importlib.import_module(name)


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Find modules of a folder too, after all that are installed."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
