"""Separators by name, checked before anything is loaded."""

import subprocess
import sys

import pytest

from soundstage.errors import OptionError
from soundstage.separation.registry import SEPARATORS, check_separator, load_separator


def test_an_unknown_separator_is_one_sentence_with_those_that_are_known() -> None:
    with pytest.raises(OptionError, match="no separator 'nothing': choose one of stems") as raised:
        load_separator("nothing")
    assert all(name in str(raised.value) for name in SEPARATORS)


def test_weights_are_refused_where_there_are_none() -> None:
    with pytest.raises(OptionError, match="hpss has no weights"):
        check_separator("hpss", weights="mine.safetensors")


def test_a_separator_is_loaded_by_name() -> None:
    loaded = load_separator("hpss")
    assert loaded.rate == 44_100
    kinds = {source.kind for source in loaded.sources}  # type: ignore[union-attr]
    assert kinds == {*SEPARATORS["hpss"].kinds}


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(OptionError, match="device"):
        load_separator("hpss", device="abacus")


def test_the_table_does_not_import_torch() -> None:
    code = "import sys, soundstage.separation.registry; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
