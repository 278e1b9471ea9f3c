"""Which kernel's rules a command asks for: `--version`, or what the file that it looks into was built for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emu.arch import Arch
from emu.elf.file import ElfFile
from emu.foreign import escaped
from emu.verdict.release import Release, release_text


@dataclass(frozen=True)
class Asked:
    """A release, None for the newest that the rules of `arch` stand for, and where it is from ("" for the user)."""

    arch: Arch
    release: Release | None
    origin: str = ""

    @property
    def number(self) -> str:
        """The newest has one too."""
        return release_text(self.release or self.arch.probing.newest)

    @property
    def line(self) -> str:
        """What is said under an answer."""
        newest = "the newest that is known" if self.release is None else ""
        why = escaped(self.origin) or newest
        return f"rules of Linux {self.number}{f' ({why})' if why else ''}"


def asked_release(arch: Arch, given: str | None, file: ElfFile | None = None) -> Asked:
    """What was given; else what the file says; UsageError for a release that the rules do not stand for."""
    found = file.linux_release() if file is not None and given is None else None
    if found is None:
        return Asked(arch, arch.release(given))
    origin = f"{found.source} of the file: {found.text}"
    return Asked(arch, arch.release(found.text, origin), origin)


def lines_of(arch: Arch, releases: Sequence[Release | None]) -> str:
    """What is said under an answer about several."""
    return "\n".join(Asked(arch, release).line for release in releases)
