"""Systems of a user beside those of the package, and the choice of all systems of an evaluation.

    NAME                          a method that is registered or comes with an installed package
    NAME=FOLDER                   results of any program, see `result_folders`
    [NAME=]path/to/file.py:CLASS  a class or function in a file, see `upmixing.own_methods`
    [NAME=]module:CLASS           a class or function in a module
    METHOD=FILE                   a method of the package with your own weights, named after FILE

From Python, NAME may also lead to a class or function itself.
"""

import inspect
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundstage.errors import OptionError, quoted
from soundstage.evaluation.results import CONTROLS, MONO, TRUTH
from soundstage.evaluation.systems import BASELINES, System
from soundstage.upmixing import METHODS, READY_METHODS, Method, find_method, load_method
from soundstage.upmixing.own_methods import own_method
from soundstage.upmixing.plugins import is_reference, source_hash

OwnSystems = Sequence[str] | Mapping[str, Any]
"""Texts as above; or by name a folder, a reference, a class, a function or a method."""
HOW = "NAME=FOLDER, path/to/file.py:CLASS, module:CLASS, or METHOD=FILE for your own weights"


def find_systems(
    names: Sequence[str], *, own: OwnSystems = (), reference_free: bool
) -> tuple[System, ...]:
    """All systems, in the order of the tables; truth and mono are always first.

    Args:
        names: of baselines and methods; those of a user, in any form above, come last.
        own: further systems of a user.
        reference_free: there is no true stereo.

    Raises:
        OptionError: a name is unknown or duplicate, or requires true stereo with `reference_free`.
        WeightsError: a file of weights cannot be used.
        MethodError: a class or function cannot be imported or made.
    """
    known = (TRUTH, *BASELINES, *READY_METHODS)
    chosen = {TRUTH, MONO, *names}
    systems = [System(name) for name in known if name in chosen]
    systems += [_own_system(name) for name in names if name not in known]
    if isinstance(own, Mapping):
        systems += [_named_system(name, value) for name, value in own.items()]
    else:
        systems += [_own_system(text) for text in own if text not in chosen]
    _check_names([system.name for system in systems], systems)
    if not reference_free:
        return tuple(systems)
    for system in systems:
        if system.needs_truth and system.name in names:
            raise OptionError(
                f"{system.name} requires true stereo: evaluate without `reference_free`."
            )
    return tuple(system for system in systems if not system.needs_truth)


def _check_names(taken: Sequence[str], systems: Sequence[System]) -> None:
    for system in systems:
        own = system.weights or system.method or system.folder
        if own and (system.name in CONTROLS or taken.count(system.name) > 1):
            place = system.weights or system.folder or system.name
            remedy = "rename the file" if system.weights else "give it another NAME="
            raise OptionError(f"{place}: there is another system {quoted(system.name)}; {remedy}.")


def _own_system(text: str) -> System:
    """A system from one of the texts above; loaded here to report unusable ones early."""
    name, separator, value = (part.strip() for part in text.partition("="))
    if separator and not (is_reference(text) and not is_reference(value)):
        return _named_system(name, value)
    if text in (*BASELINES, *READY_METHODS):
        return System(text)
    if text in METHODS or is_reference(text):
        method = find_method(text)
        if method.is_own:
            return _of_method(method)
    known = ", ".join((*BASELINES, *METHODS))
    raise OptionError(f"Unknown system {quoted(text)}; choose from {known}, or give {HOW}.")


def _named_system(name: str, value: Any) -> System:
    if not name or name != name.strip() or not name.isprintable() or "|" in name:
        raise OptionError(f"A system cannot be named {quoted(name)}.")
    if not isinstance(value, str | os.PathLike):
        return _of_method(Method(name, "", "yours", "", factory=value))
    path = Path(value)
    if path.is_dir():
        return System(name, folder=path)
    if is_reference(str(value)):
        return _of_method(replace(find_method(str(value)), name=name))
    if name in METHODS or path.is_file():
        find_method(name)
        load_method(name, weights=str(path))
        return System(path.stem, METHODS[name], str(path))
    raise OptionError(
        f"{name}={value}: there is no such folder, class or method of the package: give {HOW}."
    )


def _of_method(method: Method) -> System:
    factory = method.import_factory()
    own_method(factory, method.name)
    return System(method.name, method, code=_code(factory))


def _code(factory: Any) -> str:
    """The hash of the code; new each time where the code alone does not determine the results."""
    if isinstance(factory, type) or (inspect.isfunction(factory) and not factory.__closure__):
        return source_hash(factory)
    return uuid.uuid4().hex
