"""GNU binutils for C-SKY, built once from Debian's binutils-source: what it makes of words and of lines.

The build takes two or three minutes and lies in .cache/binutils-csky.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "binutils-csky"
SOURCES = Path("/usr/src/binutils")
PROGRAMS = {"as": "gas/as-new", "objdump": "binutils/objdump", "ld": "ld/ld-new"}
CPUS = ("ck860", "ck810", "ck802j")  # together they have all that our table has
BASE = 0x100000  # where words lie that are disassembled, so that no address is negative


class CheckError(Exception):
    """binutils cannot be had, or does not do what it is asked."""


# Building binutils


@dataclass(frozen=True)
class Binutils:
    """A built binutils: the programs lie in `folder`."""

    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run([str(self.folder / program), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise CheckError(f"{program} {' '.join(arguments)}: {done.stderr.strip()[:2000]}")
        return done.stdout


def cached(cache: Path = CACHE) -> Binutils | None:
    """What an earlier run has built, None if there is nothing."""
    folder = cache / "bin"
    return Binutils(folder) if all((folder / name).exists() for name in PROGRAMS) else None


def binutils(cache: Path = CACHE) -> Binutils:
    """binutils for C-SKY, built now if it has not been; CheckError where it cannot be built."""
    found = cached(cache)
    if found is None:
        source = _source()
        print(f"building binutils for C-SKY from {source} into {cache}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as scratch:
            _build(source, Path(scratch), cache / "bin")
        found = Binutils(cache / "bin")
    return found


def _source() -> Path:
    if not any(SOURCES.glob("binutils-*.tar.*")) and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "binutils-source"], capture_output=True)
    if not (archives := sorted(SOURCES.glob("binutils-*.tar.*"))):
        raise CheckError(f"no binutils-*.tar.* in {SOURCES}: expected Debian's package binutils-source")
    return archives[-1]


def _build(source: Path, scratch: Path, destination: Path) -> None:
    _quietly(["tar", "-xf", str(source)], scratch)  # Python's tarfile takes ten minutes for it
    top = next(path for path in scratch.iterdir() if path.is_dir())
    build = scratch / "build"
    build.mkdir()
    unwanted = ("nls", "gdb", "gdbserver", "sim", "gprof", "gprofng", "gold", "werror", "plugins", "shared", "doc")
    options = ["--target=csky-linux-gnuabiv2", "--without-zstd", *(f"--disable-{name}" for name in unwanted)]
    _quietly([str(top / "configure"), *options], build)
    _quietly(["make", "-j2", "MAKEINFO=true", "all-gas", "all-binutils", "all-ld"], build)
    destination.mkdir(parents=True, exist_ok=True)
    for name, built in PROGRAMS.items():
        shutil.copy2(build / built, destination / name)


def _quietly(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(["nice", *command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise CheckError(f"{' '.join(command)[:200]}: {done.stdout[-500:]}{done.stderr[-1500:]}")


# Words for objdump: an ELF file with a text section and, so that objdump knows what the CPU has, its attributes

# Bits of Tag_CSKY_ISA_FLAGS (binutils include/opcode/csky.h): E1 1E2 2E3 3E7 7E10 3E3R1 3E3R2 10E60 3E3R3, TRUST,
# CACHE, NVIC, MP, MP_1E2, JAVA, DSP, DSP_1E2 and DSPE60. Not: floating point, vectors, enhanced DSP.
ISA_BITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 20, 21, 23)
ELF_FLAGS = 0x2100001F  # abiv2, any CPU
_SHT_PROGBITS, _SHT_STRTAB, _SHT_ATTRIBUTES = 1, 3, 0x70000001
_EXECUTABLE = 4


def _uleb128(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _uleb128(rest) if rest else bytes([low])


def _attributes() -> bytes:
    tag = b"\x06" + _uleb128(sum(1 << bit for bit in ISA_BITS))
    file_scope = b"\x01" + struct.pack("<I", 5 + len(tag)) + tag
    vendor = b"csky\0" + file_scope
    return b"A" + struct.pack("<I", 4 + len(vendor)) + vendor


def object_file(text: bytes) -> bytes:
    """A relocatable C-SKY object that holds only `.text`, at BASE."""
    names = b"\0.text\0.csky.attributes\0.shstrtab\0"
    contents = (text, _attributes(), names)
    header_size, section_size = 52, 40
    offsets = [header_size + sum(map(len, contents[:n])) for n in range(len(contents))]
    table = header_size + sum(map(len, contents))
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = ident + struct.pack(
        "<HHIIIIIHHHHHH", 1, 252, 1, 0, 0, table, ELF_FLAGS, header_size, 0, 0, section_size, 4, 3
    )
    kinds = ((1, _SHT_PROGBITS, 6, BASE), (7, _SHT_ATTRIBUTES, 0, 0), (24, _SHT_STRTAB, 0, 0))
    sections = bytes(section_size)
    for (name, kind, flags, addr), offset, content in zip(kinds, offsets, contents, strict=True):
        sections += struct.pack("<10I", name, kind, flags, addr, offset, len(content), 0, 0, 4, 0)
    return header + b"".join(contents) + sections


_LINE = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f]{4,8})\s*\t(.*)$", re.MULTILINE)


def objdump(tools: Binutils, text: bytes) -> Iterator[tuple[int, str, str]]:
    """Address, hexadecimal word and instruction text of each line."""
    # Behind the words there must be something to read for whatever literal they name.
    padding = bytes(1 << 19)
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(object_file(text + padding))
        file.flush()
        stop = f"--stop-address={BASE + len(text):#x}"
        output = tools.run("objdump", "-d", "-z", stop, file.name)
    for match in _LINE.finditer(output):
        yield int(match[1], 16), match[2], " ".join(match[3].split("//")[0].split())


# Lines for gas


def assembled(tools: Binutils, lines: Sequence[str], cpus: Sequence[str] = CPUS) -> bytes:
    """What gas makes of these lines, four bytes each, for the first CPU that has them all; CheckError if none has."""
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch, "in.s"), Path(scratch, "out.o")
        source.write_text("".join(f"{line}\n.p2align 2\n" for line in lines))
        try:
            tools.run("as", f"-mcpu={cpus[0]}", "-mno-elrw", str(source), "-o", str(made))
        except CheckError:
            if len(cpus) == 1:
                raise
            return assembled(tools, lines, cpus[1:])
        return _text_section(made.read_bytes())


def _text_section(data: bytes) -> bytes:
    (table,) = struct.unpack_from("<I", data, 32)
    (count,) = struct.unpack_from("<H", data, 48)
    for n in range(count):
        _, kind, flags, _, offset, size = struct.unpack_from("<6I", data, table + 40 * n)
        if kind == _SHT_PROGBITS and flags & _EXECUTABLE:
            return data[offset : offset + size]
    raise CheckError("gas wrote no text section")
