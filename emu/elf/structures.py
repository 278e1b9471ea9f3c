"""The only file that imports elftools: the ELF header and its structures, and what numbers in symbols stand for.

It is imported with the first ELF file that is read: a command that reads none starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from elftools.common.exceptions import ELFError as ELFError
from elftools.common.utils import struct_parse as struct_parse
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_ST_INFO_BIND, ENUM_ST_INFO_TYPE, ENUM_ST_SHNDX


def _names(enum: Mapping[str, object]) -> Mapping[int, str]:
    """Names by their numbers, of numbers with several names the first one."""
    return {number: name for name, number in reversed(list(enum.items())) if isinstance(number, int)}


SYMBOL_TYPES = {**_names(ENUM_ST_INFO_TYPE), 10: "STT_GNU_IFUNC"}
BINDINGS, SPECIAL_SECTIONS = _names(ENUM_ST_INFO_BIND), _names(ENUM_ST_SHNDX)


def open_elf(stream: IO[bytes]) -> Any:
    """elftools' object for a file; ELFError if its header is bad."""
    return ELFFile(stream)
