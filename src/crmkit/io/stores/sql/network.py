"""Where SQLite must not be used: on network file systems its locks may not hold, and a store would be damaged silently."""

from pathlib import Path

from crmkit.errors import StoreError

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "9p",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "ceph",
    "glusterfs",
)


def check_local(path: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a file on a network file system with `StoreError`; where the system has no list of mounts, all are accepted."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    kind = _file_system(path.resolve(), lines)
    if kind in _NETWORK:
        raise StoreError(
            f"{path}: its folder is on a network file system ({kind}), where SQLite can lose data; give a folder of this "
            "machine, or use PostgreSQL"
        )


def _file_system(path: Path, lines: list[str]) -> str:
    """The kind of the file system that a path is on: that of the longest mount point above it."""
    mounted = [line.split()[1:3] for line in lines]
    above = [(point.replace("\\040", " "), kind) for point, kind in mounted]
    return max(((len(point), kind) for point, kind in above if path.is_relative_to(point)), default=(0, ""))[1]
