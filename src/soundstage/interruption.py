"""Signals that end a program: a handler notes them, and `check` raises between two blocks of work.

An exception raised by a signal handler can arrive anywhere: in a callback of a C library, which
forgets it and goes on with half a file, or in the code that cleans up. So the handlers only note
the signal. Work calls `check` between blocks, and no file gets its name after a signal (see
`soundstage.atomic_files`). Work that does not come to a `check` within `PATIENCE`, such as an
import or a figure, is interrupted where it is.

The library installs no handlers: the command line and the worker processes do.
"""

import _thread
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

PATIENCE = 1.0  # seconds; more than a block of most methods, less than a person waits

_NAMES = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "BREAK")
ENDING = tuple(getattr(signal, f"SIG{name}") for name in _NAMES if hasattr(signal, f"SIG{name}"))
"""Signals whose default is to end the process, and that can be caught. SIGPIPE is an error of
`write` in Python, see `soundstage.cli.streams`."""


class Interrupted(SystemExit):
    """A signal asks the process to end: with 128 + its number, as shells do, unless caught."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


class _State:
    number: int | None = None
    """The first signal that was noted."""
    since = 0.0
    """Time of that signal, or of the last exception for it."""
    raised = threading.Event()
    then: Callable[[], None] | None = None


_state = _State()


def requested() -> int | None:
    """The signal that asks this process to end, or None."""
    return _state.number


def request(number: int) -> None:
    """Ask this process to end, as the signal does."""
    if _state.number is None:
        _state.number, _state.since = number, time.monotonic()


def check() -> None:
    """End the work here if a signal asks for it.

    Raises:
        Interrupted: a signal was noted.
    """
    if _state.number is not None:
        raise _interruption()


def send(number: int) -> None:
    """Send a signal to the main thread of this process, from another thread."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:  # Windows
        _thread.interrupt_main(signal.Signals(number))


def install(then: Callable[[], None] | None = None) -> None:
    """Note the signals of `ENDING` from now on; those that are ignored, as by `nohup`, stay so.

    Args:
        then: called at the first signal, in the main thread.
    """
    _state.then = then
    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _note)


def _note(number: int, frame: FrameType | None) -> None:
    if _state.number is None:
        request(number)
        threading.Thread(target=_insist, name="interruption", daemon=True).start()
        if _state.then:
            _state.then()
    elif time.monotonic() - _state.since >= PATIENCE:  # from `_insist`, or from a person
        raise _interruption()


def _interruption() -> Interrupted:
    assert _state.number is not None
    if threading.current_thread() is threading.main_thread():
        _state.since = time.monotonic()
        _state.raised.set()
    return Interrupted(_state.number)


def _insist() -> None:
    """Signal again until the main thread has raised an exception.

    A signal that arrives just before the main thread blocks in a system call does not wake it.
    """
    while not _state.raised.wait(PATIENCE):
        assert _state.number is not None
        send(_state.number)
