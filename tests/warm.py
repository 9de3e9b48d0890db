"""catflap, started already: a server that forks for each command of a script, which then costs no start of Python.

What runs is the real door, in a process of its own, in the caller's folder and environment, on the caller's stdin and
stdout. Run as ``python -m tests.warm SOCKET``; `client` is the text of the program that scripts call.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as there:
    there.connect({address!r})
    said = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(there, [len(said).to_bytes(4)], [0, 1, 2])
    there.sendall(said)
    sys.exit(int.from_bytes(there.recv(1) or bytes([125])))
"""


@contextmanager
def warm_catflap(folder: Path) -> Iterator[Path]:
    """A folder for PATH with a `catflap` that is started already, for as long as the body runs."""
    address = folder / "socket"
    programs = folder / "programs"
    programs.mkdir(parents=True)
    program = programs / "catflap"
    program.write_text(CLIENT.format(python=sys.executable, address=os.fsencode(address)), encoding="utf-8")
    program.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.warm", str(address)], cwd=ROOT, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        try:
            server.stdout.readline()
            yield programs
        finally:
            server.terminate()


def main() -> None:
    """Listen, and say so by a line on stdout."""
    package = importlib.import_module("catflap.commands")
    for found in pkgutil.iter_modules(package.__path__, "catflap.commands."):
        importlib.import_module(found.name)
    importlib.import_module("catflap.commandline")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen(16)
        print("listening", flush=True)
        while True:
            there, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                code = _run(there)
                there.sendall(bytes([code]))
                os._exit(0)
            there.close()


def _run(there: socket.socket) -> int:
    """The exit code of the command that the client asks for."""
    size, descriptors, _, _ = socket.recv_fds(there, 4, 3)
    argv, folder, environment = json.loads(_read(there, int.from_bytes(size)))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["catflap", *argv]
    from catflap.main import run

    code: object = 0
    try:
        run()
    except SystemExit as end:
        code = end.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


def _read(there: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = there.recv(size - len(found))
        assert piece
        found += piece
    return found


if __name__ == "__main__":
    main()
