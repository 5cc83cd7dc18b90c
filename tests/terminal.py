"""A terminal that takes down what it shows."""

import io
import os
import pty
import termios


class Terminal(io.StringIO):
    """Takes down what is written; asked for its size, it has that of a terminal of so many columns."""

    def __init__(self, columns, rows=24):
        super().__init__()
        self.device, self.number = pty.openpty()
        termios.tcsetwinsize(self.number, (rows, columns))

    def isatty(self):
        return True

    def fileno(self):
        return self.number

    def close(self):
        os.close(self.device)
        os.close(self.number)
        super().close()
