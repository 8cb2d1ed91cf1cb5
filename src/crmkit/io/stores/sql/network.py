"""Where SQLite must not be used: on network file systems its locks may not hold, and a store would be damaged silently."""

import re
from pathlib import Path

from crmkit.errors import StoreError

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = frozenset("nfs nfs4 cifs smb3 smbfs afs 9p ceph glusterfs lustre davfs sshfs s3fs rclone gcsfuse".split())  # noqa: SIM905 - reads best
# What is mounted, where, and the kind of its file system; blanks in names are written as codes.
_MOUNT = re.compile(r"\S+ (\S+) (\S+)")
_CODE = re.compile(r"\\([0-7]{3})")


def check_local(path: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a file on a network file system with `StoreError`; where the system has no list of mounts, all are accepted."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    kind = _file_system(path.resolve(), lines)
    if kind.removeprefix("fuse.") in _NETWORK:
        raise StoreError(
            f"{path}: its folder is on a network file system ({kind}), where SQLite can lose data; give a folder of this "
            "machine, or use PostgreSQL"
        )


def _file_system(path: Path, lines: list[str]) -> str:
    """The kind of the file system that a path is on: that of the longest mount point above it, the last of several there."""
    longest, found = 0, ""
    for mount in filter(None, map(_MOUNT.match, lines)):
        point = _CODE.sub(lambda code: chr(int(code[1], 8)), mount[1])
        if len(point) >= longest and path.is_relative_to(point):
            longest, found = len(point), mount[2]
    return found
