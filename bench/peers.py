"""Environments of peers: each set of packages from the package index in a virtual environment of its own, kept for the next run."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / ".peers"


def python_with(*packages: str, base: str = sys.executable) -> Path:
    """Return a Python interpreter that has these packages and nothing else, made by a `base` one."""
    parts = [sys.version, *([base] if base != sys.executable else []), *packages]
    home = _FOLDER / sha256("\n".join(parts).encode()).hexdigest()[:12]
    python, stamp = home / "bin" / "python", home / "installed"
    if not stamp.exists():
        subprocess.run([base, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        stamp.write_text("\n".join(packages))
    return python
