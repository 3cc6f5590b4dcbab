"""A file object that is interrupted, for tests of functions that libraries in C call."""

import io
import signal


class Interrupting(io.BytesIO):
    """A file object that gets Ctrl-C at one of its calls."""

    def __init__(self, content=b"", at=-1):
        super().__init__(content)
        self.calls, self.at = 0, at

    def _count(self):
        self.calls += 1
        if self.calls - 1 == self.at:
            signal.raise_signal(signal.SIGINT)

    def read(self, size=-1):
        self._count()
        return super().read(size)

    def write(self, data):
        self._count()
        return super().write(data)

    def seek(self, offset, whence=0):
        self._count()
        return super().seek(offset, whence)

    def tell(self):
        self._count()
        return super().tell()
