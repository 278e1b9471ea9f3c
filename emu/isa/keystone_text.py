"""Assembly text to bytes with Keystone; the only file that imports it.

An assembler is named by Keystone's own constants without their prefixes, as in `capstone_text`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import keystone

from emu.errors import EncodeError


@dataclass(frozen=True)
class Assembler:
    """Which Keystone assembler: `KS_ARCH_<arch>` with every `KS_MODE_<mode>` or-ed; `prologue` goes before the text."""

    arch: str
    modes: tuple[str, ...]
    prologue: str = ""


@cache
def _engine(assembler: Assembler) -> Any:
    mode = 0
    for name in assembler.modes:
        mode |= getattr(keystone, f"KS_MODE_{name}")
    return keystone.Ks(getattr(keystone, f"KS_ARCH_{assembler.arch}"), mode)


def assemble(assembler: Assembler, text: str, addr: int) -> bytes:
    """The text's bytes in memory order as assembled at addr; EncodeError with Keystone's reason.

    Statements are separated by `;`. EncodeError too for text that assembles to nothing.
    """
    try:
        with _quiet():
            code, _ = _engine(assembler).asm(assembler.prologue + text, addr)
    except keystone.KsError as error:
        raise EncodeError(f"{text!r}: not {assembler.arch} assembly: {error.message}") from None
    if not code:
        raise EncodeError(f"{text!r}: expected an instruction of {assembler.arch}")
    return bytes(code)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keystone's parser also writes its complaints to file descriptor 2; the message is ours to print."""
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
