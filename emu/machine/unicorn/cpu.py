"""`UnicornCpu`: MIPS, ARM64, RISC-V and x86-64 on the Unicorn engine, one engine per CPU.

The only file that imports Unicorn; it works around what version 2.1.4 does, each with a test:

* Host writes to text are not executed until `ctl_remove_cache`: a view changes in `sync_icache` and
  `restore` only, and both flush exactly the bytes that changed.
* Without `count` an engine makes blocks that ignore a later `count`, and on MIPS the pc after an exception
  in such a block is lost: every instruction is a step with count=1, `run` too.
* `until` is compiled into blocks: it is one constant that no instruction can start at.
* An exception can leave state that only the next step shows: `Meaning.stale`.
* MIPS: a load or store in a delay slot that misses the engine's TLB leaves the branch pending after the step, and the
  next instruction would be a delay slot too: `UnicornSpec.leaves_pending`.
* Some words abort the process, or print to standard output: `unicorn_guard`.
* Some instructions ask the host: `host_values`.
* A jump to where nothing is mapped stops in the jump's own step: the jump has been executed, so it completes
  here, and the next step has the fault (or the Halt: `halt_at` need not be mapped).

Data regions are shared with the host and all other CPUs. Text regions are this CPU's view, not writable
by the guest; the guest's loads from text read the view too. All regions must exist before the CPU does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Hashable, Sequence
from hashlib import blake2b
from typing import Any

import unicorn
from unicorn import unicorn_const
from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib

from emu.bits import PAGE, mask
from emu.errors import GuestError, MemoryAccessError, UsageError
from emu.machine.cpu import Halt, Limit, MemoryAccess, Stop, Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.text_view import TextView, ViewState
from emu.machine.unicorn.batch import RegisterBatch
from emu.machine.unicorn.guard import EngineText
from emu.machine.unicorn.host_values import COUNTER, HostValue, refresh
from emu.machine.unicorn.pairs import RegisterPairs
from emu.machine.unicorn.spec import EngineStop, UnicornSpec

UNTIL = 0x7FFFFFFFFFF1  # odd, in no region; MIPS needs it to be in the lower half of the address space
UNTIL_32 = 0x7FFFFFF1
TRANSLATED = 32 << 20  # bytes of translated code; by itself an engine reserves 1 GiB of addresses, and exits without
EXTENDED = 80  # bits: the library wants significand and exponent of such a register apart
SHARED = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE
TEXT = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC
INTERRUPTS_WAIT = True  # see emu.parallel.interrupts: `step` calls the engine, and the engine calls hooks
REMOVE_CACHE = unicorn_const.UC_CTL_IO_WRITE << 30 | 2 << 26 | unicorn_const.UC_CTL_TB_REMOVE_CACHE  # two arguments
ACCESS = {
    unicorn_const.UC_MEM_READ_UNMAPPED: MemoryAccess.READ,
    unicorn_const.UC_MEM_READ_PROT: MemoryAccess.READ,
    unicorn_const.UC_MEM_WRITE_UNMAPPED: MemoryAccess.WRITE,
    unicorn_const.UC_MEM_WRITE_PROT: MemoryAccess.WRITE,
    unicorn_const.UC_MEM_FETCH_UNMAPPED: MemoryAccess.FETCH,
    unicorn_const.UC_MEM_FETCH_PROT: MemoryAccess.FETCH,
}

State = tuple[Any, int, dict[str, int], list[ViewState]]
"""Engine context, pc, soft registers, views."""


class UnicornRegisters:
    """General registers by number, straight from the engine; a hard-wired zero ignores writes."""

    def __init__(self, handle: Any, ids: list[int], bits: int, zero: int | None) -> None:
        self._handle = handle
        self._ids = ids
        self._mask = mask(bits)
        self._zero = zero
        self._value = ctypes.c_uint64()
        self._ref = ctypes.byref(self._value)
        self._read = uclib.uc_reg_read
        self._write = uclib.uc_reg_write

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, number: int) -> int:
        self._read(self._handle, self._ids[number], self._ref)
        return self._value.value & self._mask

    def __setitem__(self, number: int, value: int) -> None:
        if number == self._zero:
            return
        self._value.value = value & self._mask
        self._write(self._handle, self._ids[number], self._ref)


class UnicornCpu:
    """See `emu.machine.cpu.Cpu`."""

    def __init__(self, spec: UnicornSpec, id: int, memory: Memory) -> None:
        self.id = id
        self.halt_at: int | None = None
        self.memory = memory
        self._spec = spec
        self._engine = _open(spec)
        self._handle = self._engine._uch
        self._lethal: dict[int, TrapKind] = {}
        self._host_values: dict[int, HostValue] = {}
        self._map()
        if spec.clear_reservation:
            _map_scratch(self._engine, spec, memory)
        self._numbers = {name: number for number, name in enumerate(spec.file.gpr)}
        self._wide = {name: _register(spec, constant) for name, constant in spec.registers.items()}
        self._gpr = UnicornRegisters(
            self._handle, [_register(spec, name) for name in spec.gpr], spec.file.bits, spec.file.zero
        )
        self._soft = dict(spec.soft) | ({COUNTER: 0} if spec.host_values else {})
        self._pairs = RegisterPairs(spec.pairs, self._soft, self._read_wide, self._set_wide) if spec.pairs else None
        for name, value in spec.initial.items():
            self._engine.reg_write(_register(spec, name), value)
        self._all = self._batch([*self._gpr._ids, *self._wide.values()])
        self._bind()
        self._add_hooks()
        self._clean = self._engine.context_save()
        self._scratch, self._context, self._digest = self._engine.context_save(), b"", b""

    def _map(self) -> None:
        """Map data, shared, and text, this CPU's own."""
        regions, guard = self.memory.regions, self._spec.guard
        self._views = [TextView(region) for region in regions if region.executable]
        self._texts = [EngineText(view, guard, self._lethal) for view in self._views] if guard else []
        for region in regions:
            if not region.executable:
                self._engine.mem_map_ptr(region.base, region.size, SHARED, ctypes.addressof(region.buffer))
        for number, view in enumerate(self._views):
            region, protection = view.region, TEXT
            buffer = self._texts[number].buffer if self._texts else view.buffer
            if region.writable:
                buffer, protection = region.buffer, unicorn_const.UC_PROT_ALL  # EngineText has this one too
            self._engine.mem_map_ptr(region.base, region.size, protection, ctypes.addressof(buffer))
            self._find_host_values(view, 0, region.size)

    def _find_host_values(self, view: TextView, offset: int, size: int) -> None:
        if self._spec.host_values is not None:
            refresh(self._host_values, self._spec.host_values, view, offset, size)

    def remap(self) -> None:
        """See `Cpu`; the page of `clear_reservation` goes away too, since any page may be a region's now."""
        for first, last, _ in list(self._engine.mem_regions()):
            self._engine.mem_unmap(first, last - first + 1)
        self._lethal.clear()
        self._host_values.clear()
        self._map()
        for view in self._views:
            self._remove_cache(view.region.base, view.region.size)

    def _bind(self) -> None:
        """What `step` needs, looked up once: a warm step costs a few microseconds."""
        self._pc = 0
        self._pc_mask = mask(self._spec.file.bits)
        self._misaligned = self._spec.pc_alignment - 1
        self._leaves_pending = self._spec.leaves_pending
        self._until = UNTIL if self._spec.file.bits == 64 else UNTIL_32
        self._pc_id = _register(self._spec, self._spec.pc)
        self._value = ctypes.c_uint64()
        self._ref = ctypes.byref(self._value)
        self._start = uclib.uc_emu_start
        self._read = uclib.uc_reg_read
        self._restore_context = uclib.uc_context_restore

    def _add_hooks(self) -> None:
        """Hooks record and stop; `step` and `_stopped` do the rest."""
        self._interrupt: int | None = None
        self._hooked: str | None = None
        self._fault: tuple[MemoryAccess, int] | None = None
        self._engine.hook_add(unicorn_const.UC_HOOK_INTR, self._on_interrupt)
        self._engine.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_fault)
        for name in self._spec.insn_hooks:
            number = getattr(_constants(self._spec.arch), f"UC_{self._spec.arch}_INS_{name}")
            self._engine.hook_add(unicorn_const.UC_HOOK_INSN, self._on_insn, name, 1, 0, number)

    def _on_interrupt(self, engine: Any, number: int, _data: Any) -> None:
        # An engine may go on to a second exception before it stops: the first is the guest's.
        if self._interrupt is None:
            self._interrupt = number
        engine.emu_stop()

    def _on_insn(self, engine: Any, name: str) -> None:
        self._hooked = name
        engine.emu_stop()

    def _on_fault(self, _engine: Any, access: int, address: int, _size: int, _value: int, _data: Any) -> bool:
        if self._fault is None:
            self._fault = (ACCESS[access], address & self._pc_mask)
        return False

    # Registers

    @property
    def gpr(self) -> UnicornRegisters:
        return self._gpr

    @property
    def untranslatable(self) -> Collection[int]:
        """See `Translator`."""
        guard = self._spec.guard
        return () if guard is None or guard.substitute else self._lethal

    @property
    def pc(self) -> int:
        return self._pc

    @pc.setter
    def pc(self, value: int) -> None:
        # The engine gets it when the next step begins.
        self._pc = value & self._pc_mask

    def get(self, name: str) -> int:
        number = self._numbers.get(name)  # most are asked for by these names, and often
        if number is not None:
            return self._gpr[number]
        name = self._spec.file.canonical(name)
        if name == "pc":
            return self._pc
        if name in self._numbers:
            return self._gpr[self._numbers[name]]
        if name in self._soft:
            return self._soft[name]
        if name in self._spec.flags:
            register, bit = self._spec.flags[name]
            return int(self._engine.reg_read(self._wide[register])) >> bit & 1
        if self._pairs is not None and name in self._pairs:
            return self._pairs.get(name)
        return self._read_wide(name)

    def _read_wide(self, name: str) -> int:
        value = self._engine.reg_read(self._wide_id(name))
        return value[0] | value[1] << 64 if isinstance(value, tuple) else int(value)

    def set(self, name: str, value: int) -> None:
        name = self._spec.file.canonical(name)
        if name == "pc":
            self.pc = value
        elif name in self._numbers:
            self._gpr[self._numbers[name]] = value
        elif name in self._soft:
            self._soft[name] = value
            self._follow_mode()
        elif name in self._spec.flags:
            register, bit = self._spec.flags[name]
            others = self._engine.reg_read(self._wide[register]) & ~(1 << bit)
            self._engine.reg_write(self._wide[register], others | (value & 1) << bit)
        elif self._pairs is not None and name in self._pairs:
            self._pairs.set(name, value)
        else:
            self._set_wide(name, value)

    def _follow_mode(self) -> None:
        """Tell the engine whether pairs of registers are joined, by the status that it does not have itself."""
        if self._pairs is None or self._spec.pairs is None:
            return
        number, bit = _register(self._spec, self._spec.pairs.engine), 1 << self._spec.pairs.bit
        status = int(self._engine.reg_read(number))
        new_status = status & ~bit if self._pairs.joined() else status | bit
        if new_status != status:
            self._engine.reg_write(number, new_status)

    def _set_wide(self, name: str, value: int) -> None:
        raw = (value & mask(64), value >> 64) if self._spec.file.width(name) == EXTENDED else value
        try:
            self._engine.reg_write(self._wide_id(name), raw)
        except UcError:  # an exception: MIPS has one in FCSR as soon as a cause and its enable bit are set
            raise UsageError(f"{name}={value:#x}: expected a value that is no exception by itself") from None

    def _wide_id(self, name: str) -> int:
        if name not in self._wide:
            raise UsageError(f"register {name!r}: no such register on this CPU")
        return self._wide[name]

    def reader(self, names: Sequence[str]) -> Callable[[], tuple[int, ...]]:
        """See `Cpu`."""
        sources = [self._source(self._spec.file.canonical(name)) for name in names]
        ids = sorted({number for number, _, _ in sources if number is not None})
        batch, places = self._batch(ids), {n: at for at, n in enumerate(ids)}
        parts = [(None if number is None else places[number], shift, top) for number, shift, top in sources]

        def read() -> tuple[int, ...]:
            values = batch.read()
            return tuple(
                self.get(names[n]) if place is None else values[place] >> shift & top
                for n, (place, shift, top) in enumerate(parts)
            )

        if self._pairs is None:
            return read
        shown = self._pairs.shown([self._spec.file.canonical(name) for name in names])
        return lambda: shown(read())

    def _batch(self, numbers: list[int]) -> RegisterBatch:
        return RegisterBatch(uclib.uc_reg_read_batch, uclib.uc_reg_write_batch, self._handle, numbers)

    def _source(self, name: str) -> tuple[int | None, int, int]:
        """The engine's register that a name is in, by how much to shift it and with what to mask it then."""
        if name in self._numbers:
            return self._gpr._ids[self._numbers[name]], 0, self._pc_mask
        if name in self._spec.flags:
            register, bit = self._spec.flags[name]
            return self._wide[register], bit, 1
        return self._wide.get(name), 0, -1

    # Execution

    def step(self) -> Stop | None:
        """One instruction; on MIPS a branch with its delay slot."""
        pc = self._pc
        if pc == self.halt_at:
            return Halt(pc)
        if pc & self._misaligned:
            return Trap(TrapKind.UNALIGNED, pc)
        if pc in self._lethal:
            return Trap(self._lethal[pc], pc)
        if pc in self._host_values:
            return self._step_host_value(pc)
        error = self._start(self._handle, pc, self._until, 0, 1)
        if self._engine._hook_exception is not None:
            self._raise_from_hook()
        if error or self._interrupt is not None or self._hooked is not None:
            return self._stopped(pc, error)
        self._read(self._handle, self._pc_id, self._ref)
        self._pc = self._value.value & self._pc_mask
        if self._leaves_pending is not None and self._leaves_pending(pc, self._pc, self.fetched):
            self._renew()
        return None

    def _step_host_value(self, pc: int) -> Stop | None:
        """Let the engine execute it, and put our own result in the place of the host's; GuestError if there is none."""
        value = self._host_values[pc]
        if value.registers is None:
            raise GuestError(
                f"{value.name} at {pc:#x}: what it gives is the host's, another one each time; expected an instruction"
                " that can be repeated"
            )
        del self._host_values[pc]  # for this step
        try:
            stop = self.step()
        finally:
            self._host_values[pc] = value
        if stop is None or (isinstance(stop, Trap) and stop.kind is TrapKind.TRACE):
            self._soft[COUNTER] += 1
            for name, number in value.registers(self._soft[COUNTER], self.id).items():
                self.set(name, number)
        return stop

    def _raise_from_hook(self) -> None:
        """What Python raised in a hook, a ^C most likely: the wrapper that is not used here would raise it."""
        raised, self._engine._hook_exception = self._engine._hook_exception, None
        self._interrupt = self._hooked = self._fault = None
        raise raised

    def run(self, limit: int) -> Stop:
        step = self.step
        for _ in range(limit):
            stop = step()
            if stop is not None:
                return stop
        return Limit(limit)

    def _stopped(self, start: int, error: int) -> Stop | None:
        """Take what the hooks recorded and let the architecture say what it means."""
        stop = EngineStop(start, self._engine_pc(), self._interrupt, self._hooked, self._fault, error, self.fetched)
        self._interrupt = self._hooked = self._fault = None
        outcome = self._spec.interpret(stop)
        if outcome.stale:
            self._renew()
        self._pc = outcome.pc & self._pc_mask
        return outcome.stop

    def _engine_pc(self) -> int:
        self._read(self._handle, self._pc_id, self._ref)
        return self._value.value & self._pc_mask

    def _renew(self) -> None:
        """Move every register into an engine state that has seen no exception."""
        self._all.read()
        self._engine.context_restore(self._clean)
        self._follow_mode()
        self._all.write()

    def clear_reservation(self) -> None:
        """Run the architecture's own instruction for it on a private page."""
        if self._spec.clear_reservation:
            self._start(self._handle, self._spec.scratch, self._until, 0, 1)
            self._interrupt = self._hooked = self._fault = None

    # State

    def snapshot(self) -> State:
        return (
            self._engine.context_save(),
            self._pc,
            dict(self._soft),
            [view.snapshot() for view in self._views],
        )

    def state(self) -> Hashable:
        """See `Cpu`. The engine's whole context, in which its reservation is."""
        self._engine.context_update(self._scratch)
        context = bytes(self._scratch)
        if context != self._context:
            self._context, self._digest = context, blake2b(context, digest_size=16).digest()
        views = tuple([view.state() for view in self._views])
        return self._pc, self.halt_at, self._digest, tuple(self._soft.values()), views

    def restore(self, state: State) -> None:
        context, self._pc, soft, views = state
        self._restore_context(self._handle, context.context)
        self._soft.update(soft)
        for number, view_state in enumerate(views):
            for offset, size in self._views[number].restore(view_state):
                self._flush(number, offset, size)

    # Instruction view

    def sync_icache(self, addr: int, size: int) -> None:
        """See `Cpu`; MemoryAccessError unless one text region holds the range."""
        number = self._view(addr, size)
        view = self._views[number]
        if view.sync(addr - view.region.base, size):
            self._flush(number, addr - view.region.base, size)

    def fetched(self, addr: int, size: int) -> bytes:
        """See `Cpu`; MemoryAccessError unless one text region holds the range."""
        view = self._views[self._view(addr, size)]
        offset = addr - view.region.base
        return bytes(view.bytes[offset : offset + size])

    def _view(self, addr: int, size: int) -> int:
        for number, view in enumerate(self._views):
            if view.region.base <= addr and addr + size <= view.region.end:
                return number
        raise MemoryAccessError(f"no text at {addr:#x} (size {size})")

    def _flush(self, number: int, offset: int, size: int) -> None:
        """Make the engine execute what a view has now."""
        if self._texts:
            self._texts[number].refresh(offset, size)
        self._find_host_values(self._views[number], offset, size)
        self._remove_cache(self._views[number].region.base + offset, size)

    def _remove_cache(self, addr: int, size: int) -> None:
        # Without the Python wrapper, which costs more than the flush. The end must be an address too: behind the last
        # one comes 0, and nothing would be removed.
        last = self._pc_mask
        start, end = (addr, addr + size) if addr + size <= last else (min(addr, last - 1), last)
        uclib.uc_ctl(self._handle, REMOVE_CACHE, ctypes.c_uint64(start), ctypes.c_uint64(end))


def _constants(arch: str) -> Any:
    return getattr(unicorn, f"{arch.lower()}_const")


def _register(spec: UnicornSpec, name: str) -> int:
    return int(getattr(_constants(spec.arch), f"UC_{spec.arch}_REG_{name}"))


def _open(spec: UnicornSpec) -> Any:
    mode = 0
    for name in spec.modes:
        mode |= getattr(unicorn_const, f"UC_MODE_{name}")
    engine: Any = Uc(getattr(unicorn_const, f"UC_ARCH_{spec.arch}"), mode)
    engine.ctl_set_tcg_buffer_size(TRANSLATED)
    if spec.cpu_model is not None:
        engine.ctl_set_cpu_model(getattr(_constants(spec.arch), f"UC_CPU_{spec.cpu_model}"))
    if spec.virtual_tlb:
        engine.ctl_set_tlb_mode(unicorn_const.UC_TLB_VIRTUAL)
    return engine


def _map_scratch(engine: Any, spec: UnicornSpec, memory: Memory) -> None:
    for region in memory.regions:
        if region.base < spec.scratch + PAGE and spec.scratch < region.end:
            raise MemoryAccessError(f"region {region.name} at {region.base:#x} covers the CPU's page {spec.scratch:#x}")
    engine.mem_map(spec.scratch, PAGE, TEXT)
    engine.mem_write(spec.scratch, spec.clear_reservation)
