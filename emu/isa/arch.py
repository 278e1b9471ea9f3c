"""`Arch`: the contract that an architecture fills. An `if arch ==` elsewhere means it lacks a field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from emu.errors import UsageError
from emu.isa.operand import MemoryOperand
from emu.verdict.rules import RuleTable
from emu.verdict.site import Decision

PortT = TypeVar("PortT")


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


def _no_delay_slot(_insn: bytes) -> bool:
    return False


@dataclass(frozen=True)
class Arch(Generic[PortT]):
    """One architecture. `port` is what its kernel does (see `emu.kernel.state`); the rest is the ISA's.

    `insn_size(insn)` is the length in bytes of the instruction that starts `insn` (memory order);
    `insn_sizes` are the possible ones. `disassemble(insn, addr)` is one instruction's text,
    `assemble(text, addr)` its bytes in memory order (EncodeError). `decide(site, release)` is the kernel's verdict
    under the rules of a release, None for the newest. `word(insn)` shows bytes as the architecture writes
    words; `parse_word(text)` reads them back (DecodeError). `memory_operands(insn, addr)` are the data accesses of
    one step; `has_delay_slot(insn)`: the next instruction is executed in the same step. `rules` are the rows
    behind `decide`, where instructions are words; elsewhere `encodings` lists one instruction for everything that they
    can tell apart. `aliases` are other names that users give the architecture.
    """

    name: str
    title: str
    elf_machine: str
    elf_class: int
    registers: RegisterFile
    insn_sizes: tuple[int, ...]
    insn_size: Callable[[bytes], int]
    disassemble: Callable[[bytes, int], str]
    assemble: Callable[[str, int], bytes]
    decide: Callable[..., Decision]
    word: Callable[[bytes], str]
    parse_word: Callable[[str], bytes]
    kprobe_break: Callable[[bytes], bytes]  # the breakpoint that replaces this original instruction
    memory_operands: Callable[[bytes, int], tuple[MemoryOperand, ...]]
    port: PortT
    rules: RuleTable | None = None
    encodings: Callable[[], Iterable[bytes]] | None = None
    aliases: tuple[str, ...] = ()
    has_delay_slot: Callable[[bytes], bool] = _no_delay_slot
    words_are_bytes: bool = False  # in memory order: several instructions, or pieces of one, can follow one another
    relative_extable: bool = True  # see emu.elf.extable
    relocations: Mapping[int, Callable[[Any], None]] = field(default_factory=dict)  # see emu.elf.module
    stand_ins: Mapping[str, bytes] = field(default_factory=dict)  # code for what kernels patch away in their modules
    bugs: tuple[Any, ...] = ()  # see emu.kernel.bug
    features: Mapping[str, str] = field(default_factory=dict)  # name -> what it stands for, for --feature
