"""Mounts: which filesystem a path lies on, and whether it tells of changes made on its other side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catflap.mounts import filesystem_of, is_silent, reports_no_events

TABLE = r"""22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
28 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 28 0:35 / /home rw,relatime shared:20 master:3 - nfs4 server:/home rw,vers=4.2
41 40 8:3 / /home/ada/local rw,relatime - btrfs /dev/sdb1 rw
42 28 0:40 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000
43 28 0:41 / /mnt/with\040blank rw - fuse.sshfs host:/srv rw
44 28 0:42 / /media/usb rw - fuseblk /dev/sdc1 rw
45 44 0:43 / /media/usb rw - tmpfs tmpfs rw
46 28 0:44 / /mnt/back\134slash rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        ("/", "ext4"),
        ("/srv/project", "ext4"),
        ("/sys", "sysfs"),
        ("/system", "ext4"),
        ("/home", "nfs4"),
        ("/home/ada", "nfs4"),
        ("/homestead", "ext4"),
        ("/home/ada/local", "btrfs"),
        ("/home/ada/local/project", "btrfs"),
        ("/home/ada/locals", "nfs4"),
        ("/mnt/c/Users", "9p"),
        ("/mnt/with blank/project", "fuse.sshfs"),
        ("/mnt/with", "ext4"),
        ("/media/usb/project", "tmpfs"),
        ("/mnt/back\\slash/project", "cifs"),
    ],
)
def test_the_nearest_mount_above_counts(path: str, filesystem: str) -> None:
    assert filesystem_of(path, TABLE) == filesystem


@pytest.mark.parametrize("text", ["", "no mountinfo at all\n", "28 1 8:2 / - ext4\n", "28 1 8:2 / / rw ext4\n"])
def test_a_table_that_says_nothing_names_no_filesystem(text: str) -> None:
    assert filesystem_of("/home", text) == ""


@pytest.mark.parametrize(
    ("filesystem", "silent"),
    [
        ("ext4", False),
        ("btrfs", False),
        ("xfs", False),
        ("zfs", False),
        ("tmpfs", False),
        ("overlay", False),
        ("fuseblk", False),
        ("", False),
        ("nfs", True),
        ("nfs4", True),
        ("cifs", True),
        ("smb3", True),
        ("9p", True),
        ("drvfs", True),
        ("virtiofs", True),
        ("vboxsf", True),
        ("fuse.sshfs", True),
        ("fuse.gvfsd-fuse", True),
    ],
)
def test_networks_fuse_and_hosts_folders_are_silent(filesystem: str, silent: bool) -> None:
    assert is_silent(filesystem) is silent


def test_a_link_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (tmp_path / "near").symlink_to(far)
    table = f"28 1 8:2 / / rw - ext4 /dev/sda2 rw\n40 28 0:35 / {os.path.realpath(far)} rw - nfs4 server:/ rw\n"
    assert reports_no_events(str(tmp_path / "near"), table)
    assert not reports_no_events(str(tmp_path), table)


def test_this_systems_own_table_is_read() -> None:
    assert reports_no_events("/proc") is False
