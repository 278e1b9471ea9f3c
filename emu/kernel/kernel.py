"""One kernel: its configuration and all that its CPUs share. Made anew for every execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emu.errors import UsageError
from emu.isa.arch import Arch
from emu.kernel.kprobes import Kprobe
from emu.kernel.locks import Mutex
from emu.kernel.notifier import DieNotifier
from emu.kernel.patching import patch_policy
from emu.kernel.percpu import Percpu
from emu.kernel.port import Port, Variant
from emu.kernel.slots import InsnSlots
from emu.kernel.text import Text
from emu.kernel.text_poke import TextPokeArray
from emu.machine.machine import Machine
from emu.verdict.site import Decision, Site

OUTCOMES: Mapping[str, str] = {
    "hit": "a probe's handlers ran",
    "missed": "a probe was hit while another ran, and counted in nmissed",
    "claimed": "the trap was swallowed although no probe was found",
    "passed-on": "the trap was given to the next handler in the chain",
    "oops": "the kernel dies: BUG, unexpected break",
    "livelock": "the same trap again and again",
    "deadlock": "CPUs wait for one another for ever",
    "wrong-result": "the guest computed something else than without probes",
    "unpredictable": "a CPU fetched a word while it changed in a way its architecture promises nothing about",
}
PREEMPT = ("none", "full")
VIEWS = ("coherent", "stale")


@dataclass(frozen=True)
class Config:
    """What a scenario runs under. `views` stale: an instruction view does not follow a store, not even at an IPI."""

    arch: Arch[Port]
    variant: Variant
    patching: str
    preempt: str = "none"
    cpus: int = 2
    views: str = "coherent"

    def __post_init__(self) -> None:
        _expect("preempt", self.preempt, PREEMPT)
        _expect("views", self.views, VIEWS)
        patch_policy(self.patching)
        if not 1 <= self.cpus <= 4:
            raise UsageError(f"cpus {self.cpus}: expected 1 to 4, the stacks that the firmware has")


def _expect(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{what} {value!r}: expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Event:
    """One line of a timeline: which CPU, and what it did."""

    cpu: int
    text: str


class Kernel:
    """The state that kernel code reads and writes. Field names are Linux's where Linux has them."""

    def __init__(self, config: Config, machine: Machine) -> None:
        self.config = config
        self.arch = config.arch
        self.variant = config.variant
        self.machine = machine
        self.booting = True
        self.version = 0  # counts what has changed in text and the kprobe table
        self.outcomes: set[str] = set()
        self.events: list[Event] | None = None
        self.watched: dict[int, str] = {}
        self.guest_runs: list[tuple[int, str, int]] = []
        self.kprobe_table: dict[int, Kprobe] = {}
        self.kprobe_mutex = Mutex("kprobe_mutex")
        self.text_mutex = Mutex("text_mutex")
        self.stop_cpus_mutex = Mutex("stop_cpus_mutex")
        self.die_chain: list[DieNotifier] = []
        self.blacklist = frozenset({"guest_start", "guest_exit"})
        self.bug_table = machine.bug_table
        self.percpu = [Percpu(cpu, self) for cpu in machine.cpus]
        self.text = Text(self, coherent=config.views == "coherent")
        self.patch_text = patch_policy(config.patching)
        self.text_poke_array = TextPokeArray(len(self.percpu))
        self.slots = InsnSlots(self, machine.slots.base, machine.return_pad - machine.slots.base)

    def note(self, outcome: str) -> None:
        if outcome not in OUTCOMES:
            raise UsageError(f"outcome {outcome!r}: expected one of {', '.join(OUTCOMES)}")
        self.outcomes.add(outcome)

    def changed(self) -> None:
        """Something that a spinning CPU may be waiting for is different."""
        self.version += 1

    def set_kprobe(self, addr: int, p: Kprobe | None) -> None:
        """Insert, replace or remove the table's entry, as one RCU-protected store does."""
        if p is None:
            del self.kprobe_table[addr]
        else:
            self.kprobe_table[addr] = p
        self.changed()

    def watch(self, addr: int) -> None:
        """Guests yield before they fetch at addr."""
        if addr not in self.watched:
            self.watched[addr] = self.text_name(addr)

    def text_name(self, addr: int) -> str:
        return f"text[{self.at(addr)}]"

    def table_name(self, addr: int) -> str:
        return f"kprobe_table[{self.at(addr)}]"

    def kernel_text(self, addr: int) -> bool:
        """Whether addr is in a section of text; read-only data may share its pages."""
        sections = self.machine.image.executable_sections()
        return any(section.address <= addr < section.address + section.size for section in sections)

    def knows(self, addr: int) -> bool:
        """Whether addr is inside a symbol, of text or data (kallsyms_lookup_size_offset with KALLSYMS_ALL)."""
        image = self.machine.image
        if image.symbol_at(addr) is not None:
            return True
        objects = (symbol for symbol in image.symbols.values() if symbol.kind == "object")
        return any(symbol.address <= addr < symbol.address + symbol.size for symbol in objects)

    def in_slot(self, addr: int) -> bool:
        return self.machine.slots.base <= addr < self.machine.slots.end

    def site(self, addr: int) -> Site:
        """The place in text that a probe would go to."""
        found = self.machine.image.symbol_at(addr)
        return Site(
            insn=self.original(addr, min(2 * max(self.arch.insn_sizes), self._text_left(addr))) or b"",
            addr=addr,
            read=self.original,
            symbol=found[0].address if found is not None else None,
            in_extable=addr in self.machine.extable,
            raw=self.memory_at,
        )

    def decide(self, site: Site) -> Decision:
        """What this kernel says to a probe there."""
        return (self.variant.decide or self.arch.decide)(site, self.variant.release)

    def _text_left(self, addr: int) -> int:
        """Bytes from addr to the end of its text region."""
        return self.machine.memory.region(addr).end - addr

    def memory_at(self, addr: int, size: int) -> bytes | None:
        """Text as it is, breakpoints included; None outside of text."""
        for region in self.machine.memory.regions:
            if region.executable and region.base <= addr and addr + size <= region.end:
                return self.text.read(addr, size)
        return None

    def original(self, addr: int, size: int) -> bytes | None:
        """Text with the words under probes put back."""
        data = self.memory_at(addr, size)
        if data is None:
            return None
        words = bytearray(data)
        for p in self.kprobe_table.values():
            for offset, byte in enumerate(p.opcode):
                if 0 <= (at := p.where + offset - addr) < size:
                    words[at] = byte
        return bytes(words)

    def at(self, addr: int) -> str:
        """An address by symbol, as the kernel prints it; kept from one execution to the next."""
        names = self.machine.names
        if addr not in names:
            names[addr] = self._name(addr)
        return names[addr]

    def _name(self, addr: int) -> str:
        if self.in_slot(addr):
            return f"slot+{addr - self.machine.slots.base:#x}"
        found = self.machine.image.symbol_at(addr)
        if found is None:
            return f"{addr:#x}"
        return f"{found[0].name}+{found[1]:#x}" if found[1] else found[0].name

    def log(self, cpu: Percpu, text: str) -> None:
        if self.events is not None:
            self.events.append(Event(cpu.id, text))

    def log_insn(self, cpu: Percpu) -> None:
        """What this CPU is about to execute, from its own view of text."""
        if self.events is None or cpu.cpu.pc == cpu.cpu.halt_at:
            return
        for pc in self.machine.step_at(cpu.cpu, cpu.cpu.pc):
            text = self.machine.disassemble(cpu.cpu, pc)
            self.log(cpu, f"{self.at(pc)}: {text}")
