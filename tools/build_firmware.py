"""Build the guest kernels: `build_firmware.py [arch...]` writes firmware/ARCH.elf, `--check` only compares.

The compiler is the clang in the ziglang package, whose version pyproject.toml pins, so everybody gets the
same bytes: no paths, no build ids, no times. No clang knows C-SKY: its firmware is assembled from
`firmware/csky.s` by trapline's own tables.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

if __package__ in (None, ""):  # started as a file: the project's root is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emu.errors import TraplineError
from tools.csky_assembler import assembler as csky_assembler

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"

COMMON = (
    *("-c", "-Os", "-std=c11", "-ffreestanding", "-fno-builtin", "-fno-pic", "-Wall", "-Werror"),
    *("-fno-stack-protector", "-fno-sanitize=all", "-fomit-frame-pointer"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-fno-vectorize", "-fno-slp-vectorize", "-fno-unroll-loops"),
)
LINK = (
    *("-static", "--no-pie", "--no-gc-sections", "-z", "max-page-size=4096"),
    *("--build-id=none", "--strip-debug", "--discard-all"),
)


class BuildError(Exception):
    """A compiler or linker that failed, with what it said."""


@dataclass(frozen=True)
class Target:
    """What clang is to compile for: `flags` choose the instruction set, and go to the C and the assembly part."""

    triple: str
    flags: str


TARGETS = {
    "arm64": Target("aarch64-freestanding", "-mcpu=generic -mgeneral-regs-only -mbranch-protection=none"),
    "riscv": Target("riscv64-freestanding", "-mcpu=generic_rv64+m+a+c+zicsr -mabi=lp64 -mcmodel=medlow -mno-relax"),
    "mips": Target("mipsel-freestanding", "-march=mips32r2 -msoft-float -mno-abicalls -G0"),
    "loongarch": Target("loongarch64-freestanding", "-mcpu=generic_la64-d-f-lsx -mabi=lp64s -mno-relax"),
    "x86": Target("x86_64-freestanding", "-march=x86_64 -mgeneral-regs-only -mno-red-zone -fcf-protection=none"),
}


def run_zig(*arguments: str) -> None:
    """Run a tool of the ziglang package in the firmware directory, where all names are relative."""
    command = [sys.executable, "-m", "ziglang", *arguments]
    done = subprocess.run(command, cwd=FIRMWARE, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(arguments)}:\n{done.stderr.strip()}")


ASSEMBLED = {"csky": csky_assembler.assemble}  # source text and its name to an image


def build(arch: str) -> bytes:
    """The bytes of one guest kernel."""
    if arch in ASSEMBLED:
        return ASSEMBLED[arch]((FIRMWARE / f"{arch}.s").read_text(), f"{arch}.s")
    target = TARGETS[arch]
    with tempfile.TemporaryDirectory() as scratch:
        objects = []
        for source in (f"{arch}.S", "guest.c"):
            objects.append(f"{scratch}/{source}.o")
            run_zig("cc", "-target", target.triple, *target.flags.split(), *COMMON, source, "-o", objects[-1])
        image = Path(scratch, "image.elf")
        run_zig("ld.lld", *LINK, "-T", "guest.ld", *objects, "-o", str(image))
        return image.read_bytes()


def stale(archs: Iterable[str]) -> list[str]:
    """Those whose checked-in image is not what the sources give."""
    found = []
    for arch in archs:
        image = FIRMWARE / f"{arch}.elf"
        if not image.exists() or image.read_bytes() != build(arch):
            found.append(arch)
    return found


def main(argv: list[str] | None = None) -> int:
    known = [*TARGETS, *ASSEMBLED]
    parser = argparse.ArgumentParser(description="Build the guest kernels in firmware/ with ziglang's clang.")
    parser.add_argument("arch", nargs="*", help=f"which ones; all of {' '.join(known)} without it")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if an image is not up to date")
    options = parser.parse_args(argv)
    archs = options.arch or known
    if unknown := [arch for arch in archs if arch not in known]:
        parser.error(f"no firmware for {unknown[0]!r}: expected one of {', '.join(known)}")
    if find_spec("ziglang") is None and not ASSEMBLED.keys() >= set(archs):
        parser.error("ziglang is not installed: pip install -e '.[dev]'")
    try:
        return check(archs) if options.check else write(archs)
    except (BuildError, TraplineError) as error:
        print(f"build_firmware: {error}", file=sys.stderr)
        return 1


def write(archs: Iterable[str]) -> int:
    for arch in archs:
        data = build(arch)
        (FIRMWARE / f"{arch}.elf").write_bytes(data)
        print(f"firmware/{arch}.elf: {len(data)} bytes")
    return 0


def check(archs: Iterable[str]) -> int:
    found = stale(archs)
    for arch in found:
        print(f"firmware/{arch}.elf: not what the sources give; run tools/build_firmware.py {arch}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
