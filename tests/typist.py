"""Somebody at a terminal: runs a command there and types the same text whenever it asks for a password.

``python -m tests.typist TEXT COMMAND...``, in a process of its own, since it forks.
"""

from __future__ import annotations

import os
import pty
import sys


def main() -> int:
    """The command's exit code; what it shows is printed."""
    text, *command = sys.argv[1:]
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(command[0], command)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO, by pty(7): the command has ended
            break
        if not piece:
            break
        shown += piece
        sys.stdout.buffer.write(piece)
        if shown.endswith((b"assword: ", b"again: ")):
            os.write(terminal, f"{text}\n".encode())
            shown = b""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
