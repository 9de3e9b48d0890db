"""Which filesystems report no events, so that files there must be polled. Reads /proc/self/mountinfo, nothing else."""

from __future__ import annotations

import os

_SILENT = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "drvfs", "vboxsf", "virtiofs", "prl_fs", "afs", "ceph")
)
"""Changes made on the other side (another machine, the host of a container or of WSL) raise no inotify event."""


def reports_no_events(path: str, mountinfo: str | None = None) -> bool:
    """Whether the filesystem that ``path`` lies on keeps changes to itself; False where the system does not tell."""
    if mountinfo is None:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                mountinfo = file.read()
        except OSError:  # not Linux: watchdog's observer for that system is told of all
            return False
    return is_silent(filesystem_of(os.path.realpath(path), mountinfo))


def filesystem_of(path: str, mountinfo: str) -> str:
    """The type of the filesystem mounted nearest above an absolute path (proc(5), mountinfo); empty: none is."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, found, right = line.partition(" - ")
        fields = left.split(" ")
        if not found or len(fields) < 5:
            continue
        point = _unescaped(fields[4])
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best):  # of two mounts on one point the later one is on top
            best, kind = point, right.split(" ", 1)[0]
    return kind


def is_silent(filesystem: str) -> bool:
    """Whether a filesystem of this type keeps changes to itself."""
    return filesystem in _SILENT or filesystem.startswith("fuse.")


def _unescaped(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
