"""The registers of an architecture, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emu.errors import UsageError


@dataclass(frozen=True)
class RegisterFile:
    """Register names. `gpr` are the numbered names (`r4`, `x4`) in order; they are the ones printed.

    `aliases` map other spellings (ABI names) to names in `gpr` or `special`. `special` are further
    registers that programs see (`hi`, `lo`, `sp` on ARM64) with `flags` the one-bit ones (`n`, `z`, `c`).
    `status` names the register whose saved image a trap frame carries (`pstate`, `sstatus`, `eflags`).
    Widths are `bits` for gpr and special ones. `fp` are floating point and SIMD registers, of at most `fp_bits`, with
    those that hold their modes and exceptions, of `widths`; they are in `get` and `set` of CPUs that have them, but not
    in `visible`.
    """

    bits: int
    gpr: tuple[str, ...]
    aliases: Mapping[str, str]
    status: str
    arguments: tuple[str, ...]  # integer arguments, in order
    result: str
    stack: str
    link: str | None  # None where calls push the return address
    zero: int | None = None  # number of the hard-wired zero register
    special: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    fp: tuple[str, ...] = ()
    fp_bits: int = 128
    widths: Mapping[str, int] = field(default_factory=dict)
    callee: str | None = None  # the register that holds a function's own address when it is called (MIPS o32)
    pointers: Mapping[str, str] = field(default_factory=dict)  # register to the symbol whose address it holds

    def canonical(self, name: str) -> str:
        """The printed name for any spelling; UsageError for an unknown one."""
        if name in self.gpr or name in self.special or name in self.flags or name in (self.status, "pc"):
            return name
        if name in self.fp:
            return name
        if name in self.aliases:
            return self.aliases[name]
        raise UsageError(f"register {name!r}: expected one of {self.gpr[0]}..{self.gpr[-1]} or an ABI name")

    def width(self, name: str) -> int:
        """Bits of a register by its printed name."""
        if name in self.flags:
            return 1
        return self.widths.get(name, self.fp_bits) if name in self.fp else self.bits

    @property
    def visible(self) -> tuple[str, ...]:
        """Everything that an instruction can change and a comparison must cover."""
        return self.gpr + self.special + self.flags
