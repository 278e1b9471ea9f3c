"""Where the guest kernels' images are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def firmware() -> Path:
    """The folder of the images: in an installed package inside of `emu`, in a checkout beside it."""
    package = Path(str(files("emu")))
    inside = package / "firmware"
    return inside if inside.is_dir() else package.parent / "firmware"


FIRMWARE = firmware()
