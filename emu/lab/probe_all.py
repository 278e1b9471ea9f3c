"""One function of any ELF, called without probes, then with one on each of its instructions: does it still do the same?

The probes go to every instruction of the functions that the call executes: one at a time, and all together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emu.arch import Arch, Setup
from emu.elf.file import ElfFile
from emu.elf.image import Image, Symbol
from emu.elf.module import open_image
from emu.errors import GuestError, UsageError
from emu.explore.canonical import NotUnderstood
from emu.explore.execution import Ending, run_alone
from emu.explore.schedulers import RoundRobin, execute
from emu.explore.task import KernelCode, Task
from emu.foreign import whole_number
from emu.kernel import kallsyms
from emu.kernel.boot import boot
from emu.kernel.guest import GUEST_LIMIT, run_to_halt
from emu.kernel.interrupts import CpuInterrupts
from emu.kernel.kprobes import register_kprobe, verdict_at
from emu.kernel.probe import Kprobe
from emu.kernel.state import Event, Kernel, Variant
from emu.machine.guest_call import Argument, Call, Caller, Trace
from emu.parallel.interrupts import until_interrupted
from emu.verdict.listing import Line, Listing
from emu.verdict.site import Verdict

Progress = Callable[[int, int], None]
DATA = "read as data by the function, and not executed: a probe there would change it"


@dataclass(frozen=True)
class Difference:
    """What was not as without probes. `address` is the probe's, None where all were there at once."""

    address: int | None
    what: str  # died, result, memory, hits
    expected: str
    found: str

    def json(self) -> dict[str, Any]:
        probes = "alone" if self.address is not None else "together"
        return {
            "probes": probes,
            "address": self.address,
            "what": self.what,
            "expected": self.expected,
            "found": self.found,
        }


@dataclass
class Site:
    """One instruction of the executed functions; `refused` is why it carries no probe, mostly the kernel's reason."""

    line: Line
    executed: int
    entered: int
    errno: int = 0
    refused: str | None = None
    alone: int | None = None  # hits
    together: int | None = None

    def json(self) -> dict[str, Any]:
        refused = None if self.refused is None else {"errno": self.errno, "why": self.refused}
        return {
            **{key: value for key, value in self.line.json().items() if key != "errno"},
            "executed": self.executed,
            "hits_alone": self.alone,
            "hits_together": self.together,
            "refused": refused,
        }


@dataclass
class Report:
    """What `probe-all` found."""

    functions: list[str]
    result: int
    executed: int  # instructions, repetitions included
    sites: list[Site]
    differences: list[Difference] = field(default_factory=list)
    registers: list[str] = field(default_factory=list)  # that end otherwise, in some run; nobody promised them
    interrupted: bool = False  # by ^C; sites without hits were not tried

    @property
    def same(self) -> bool:
        return not self.differences

    @property
    def probed(self) -> int:
        return sum(site.alone is not None for site in self.sites)

    def json(self) -> dict[str, Any]:
        return {
            "complete": not self.interrupted,
            "functions": self.functions,
            "result": self.result,
            "executed": self.executed,
            "probed": self.probed,
            "refused": sum(site.refused is not None for site in self.sites),
            "same": self.same,
            "differences": [difference.json() for difference in self.differences],
            "registers": self.registers,
            "sites": [site.json() for site in self.sites],
        }


class OneCpu:
    """A world of one CPU that calls the function (`emu.explore.execution.World`)."""

    def __init__(self, kernel: Kernel, code: KernelCode) -> None:
        self.tasks: Mapping[str, Task] = {"cpu0": Task("cpu0", code, CpuInterrupts(kernel.percpu[0]))}
        self.ending: Ending | None = None

    def state(self) -> Hashable:
        raise NotUnderstood("one CPU under one schedule: nothing is searched")

    def finish(self, ending: Ending) -> frozenset[str]:
        self.ending = ending
        return frozenset()


class ProbeAll:
    """A function of a file under one variant of an architecture's kernel."""

    def __init__(
        self, arch: Arch, variant: Variant, file: ElfFile, function: str, arguments: Sequence[Argument]
    ) -> None:
        self._setup = Setup(arch, variant, variant.patching, cpus=1)
        self.image, module = open_image(file, arch.elf)
        address = address_of(self.image, function)
        slots = self._slots_size(arch)
        call = Call(address, tuple(arguments))
        self._caller = Caller(arch.isa, self.image, self._setup.make_cpu, call, module, slots)
        self._listing = Listing(arch.isa, arch.probing, self.image, variant.release)
        self.trace = self._caller.trace(GUEST_LIMIT)

    def _slots_size(self, arch: Arch) -> int:
        """Room for a slot for every instruction that there is, up to a mebibyte."""
        text = sum(len(section.data) for section in self.image.executable_sections())
        return min(1 << 20, arch.port.slot_size * (text // min(arch.isa.sizes) + 2))

    def run(self, progress: Progress) -> Report:
        """Every probe alone, then all of them; after a ^C what there is by then."""
        functions = list(self._functions())
        sites = [
            Site(line, self.trace.steps[line.address], self.trace.entries[line.address])
            for line in self._listing.lines_of(functions)
        ]
        names = [symbol.name for symbol in functions]
        report = Report(names, self.trace.result, sum(self.trace.steps.values()), sites)
        with until_interrupted() as cut_short:
            for number, site in enumerate(sites):
                progress(number, len(sites))
                self._alone(site, report)
            self._together([site for site in sites if site.refused is None], report)
        report.interrupted = bool(cut_short)
        report.registers = sorted(set(report.registers))
        return report

    def _functions(self) -> Iterator[Symbol]:
        """Those that were executed, by address."""
        found: dict[int, Symbol] = {}
        for address in self.trace.steps:
            around = self.image.symbol_at(address)
            if around is not None:
                found[around[0].address] = around[0]
        return (found[address] for address in sorted(found))

    def _alone(self, site: Site, report: Report) -> None:
        kernel, probes = self._kernel([site])
        if site.errno:
            site.refused = self._why(kernel, site)
            return
        address, before, registers = site.line.address, len(report.differences), list(report.registers)
        hits = self._call(kernel, probes, address, report)
        site.alone = hits[address]
        self._check_hits(site, site.alone, address, report)
        if len(report.differences) > before and self._is_data(site, kernel.isa.breakpoint(probes[0].opcode)):
            del report.differences[before:]
            report.registers, site.refused, site.alone = registers, DATA, None

    def _is_data(self, site: Site, breakpoint: bytes) -> bool:
        """Whether it is no instruction but a constant: the breakpoint matters although nobody comes there."""
        address = site.line.address
        return not site.executed and self._caller.reads_as_data(address, breakpoint, self.trace, GUEST_LIMIT)

    def _together(self, sites: Sequence[Site], report: Report) -> None:
        kernel, probes = self._kernel(sites)
        hits = self._call(kernel, probes, None, report)
        for site in sites:
            site.together = hits[site.line.address]
            self._check_hits(site, site.together, None, report)

    def _kernel(self, sites: Sequence[Site]) -> tuple[Kernel, list[Kprobe]]:
        """A fresh kernel, with a probe at each site that it accepts."""
        self._caller.prepare()
        kernel = boot(self._setup.config(), self._caller.machine)
        probes = []
        for site in sites:
            probe = Kprobe(site.line.address)
            site.errno = -run_alone(register_kprobe(kernel, probe))
            if not site.errno:
                probes.append(probe)
        kernel.booting = False
        return kernel, probes

    def _call(self, kernel: Kernel, probes: Sequence[Kprobe], address: int | None, report: Report) -> Counter[int]:
        """Call the function and compare; how often each probe was hit."""
        hits: Counter[int] = Counter()

        def count(probe: Kprobe, regs: Any) -> None:
            hits[probe.where] += 1

        for probe in probes:
            probe.pre_handler = count
        kernel.events = events = Last()
        world = OneCpu(kernel, run_to_halt(kernel.percpu[0]))
        try:
            execute(world, RoundRobin())
            how = world.ending.value if world.ending not in (None, Ending.DIED) else events.text
        except GuestError as error:
            world.ending, how = Ending.DIED, str(error)
        if world.ending is not Ending.DONE:
            report.differences.append(Difference(address, "died", "a return", how))
        else:
            self._compare(self._caller.finish(Trace()), address, report)
        return hits

    def _compare(self, after: Trace, address: int | None, report: Report) -> None:
        expected = self.trace
        if after.result != expected.result:
            report.differences.append(Difference(address, "result", f"{expected.result:#x}", f"{after.result:#x}"))
        for addr, old, new in self._caller.changed_memory(expected, after):
            report.differences.append(Difference(address, "memory", f"{old:#04x} at {addr:#x}", f"{new:#04x}"))
        report.registers += [name for name, value in after.registers.items() if value != expected.registers[name]]

    def _check_hits(self, site: Site, hits: int, address: int | None, report: Report) -> None:
        if not site.entered <= hits <= site.executed and not self._died(address, report):
            expected = f"{site.executed} at {site.line.address:#x}"
            report.differences.append(Difference(address, "hits", expected, str(hits)))

    def _died(self, address: int | None, report: Report) -> bool:
        return any(found.what == "died" and found.address == address for found in report.differences)

    def _why(self, kernel: Kernel, site: Site) -> str:
        """What the kernel has against a probe there."""
        judgement = verdict_at(kernel, kallsyms.site(kernel, site.line.address))
        return judgement.why if judgement.verdict is Verdict.REJECT else "no probes are allowed at this address"


class Last(list[Event]):
    """Keeps only what happened last: a kernel that dies says why just before."""

    text = ""

    def append(self, event: Event) -> None:
        self.text = event.text


def address_of(image: Image, function: str) -> int:
    """A function by name or address; UsageError for what is not in text, ImageError for an unknown name."""
    address = _address(function) if function.lower().startswith("0x") else image.symbol(function).address
    if not any(s.address <= address < s.address + s.size for s in image.executable_sections()):
        raise UsageError(f"function {function}: expected something in the text of {image.name}, not {address:#x}")
    return address


def _address(text: str) -> int:
    try:
        return whole_number(text, 16)
    except ValueError:
        raise UsageError(f"function {text!r}: expected a name, or an address such as 0x10000") from None
