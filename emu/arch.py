"""`Arch`: the contracts that an architecture fills, each for one reader; and `Setup`, one choice of what they offer.

An `if arch ==` anywhere else means that a contract lacks a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emu.elf.elf_side import ElfSide
from emu.errors import UsageError
from emu.isa.isa import Isa
from emu.kernel.bug import Bug, find_bugs
from emu.kernel.configuration import Patching, Preempt, Views
from emu.kernel.state import Config, Port, Variant
from emu.kernel.variants import at_release, in_release, with_repairs
from emu.machine.cpu import MakeCpu
from emu.spelling import one_of
from emu.verdict.probing import Probing
from emu.verdict.release import Release, parse_release, release_text

MOST_CPUS = 8  # the stacks that the firmware has


@dataclass(frozen=True)
class Arch:
    """One architecture. `cpus` are the engines that execute it, by name; the first is the default. `bugs` are what is
    wrong in Linux there."""

    isa: Isa
    elf: ElfSide
    probing: Probing
    port: Port
    cpus: Mapping[str, MakeCpu]
    bugs: tuple[Bug, ...] = ()

    @property
    def name(self) -> str:
        return self.isa.name

    def release(self, text: str | None, where: str = "") -> Release | None:
        """The release that a text names, None (the newest) if there is none; `where` says what the text is from.

        UsageError for a release without kprobes, and for one that is later than the rules stand for.
        """
        if text is None:
            return None
        release, title = parse_release(text), self.isa.title.partition(" (")[0]
        named = f"release {text!r}{where and f' ({where})'}: {title}"
        if release < self.probing.oldest:
            raise UsageError(f"{named} has kprobes since {release_text(self.probing.oldest)}: expected no earlier one")
        if release[:2] > self.probing.newest:
            raise UsageError(f"{named} is known up to {release_text(self.probing.newest)}: expected no later one")
        return release

    def make_cpu(self, engine: str | None = None) -> MakeCpu:
        """What makes CPUs of an engine, None for the default; UsageError lists the engines there are."""
        if engine is None:
            return next(iter(self.cpus.values()))
        if engine not in self.cpus:
            raise UsageError(f"engine {engine!r} of {self.name}: {one_of(engine, self.cpus)}")
        return self.cpus[engine]

    def variant(self, name: str | None = None, release: Release | None = None, fix: Iterable[str] = ()) -> Variant:
        """A kernel by name, by release, or both, if they go together. `fix` names bugs that it has no more. UsageError
        for a variant or bug that there is not, and for handlers of one release with the rules of another."""
        variants = self.port.variants
        if name is not None and name not in variants:
            raise UsageError(f"variant {name!r} of {self.name}: {one_of(name, variants)}")
        found = variants[name or "mainline"]
        if release is not None:
            found = at_release(variants, release) if name is None else in_release(variants, found, release)
        return with_repairs(found, find_bugs(self.name, self.bugs, fix))


@dataclass(frozen=True)
class Setup:
    """What a scenario runs under: how the kernel is built, and the CPUs that it has. `engine` None: the default."""

    arch: Arch
    variant: Variant
    patching: Patching
    preempt: Preempt = Preempt.NONE
    cpus: int = 2
    views: Views = Views.COHERENT
    engine: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.cpus <= MOST_CPUS:
            raise UsageError(f"cpus {self.cpus}: expected 1 to {MOST_CPUS}, the stacks that the firmware has")
        self.arch.make_cpu(self.engine)
        self.config()

    def config(self) -> Config:
        """How the kernel is built; UsageError for a policy or property that there is not."""
        arch = self.arch
        return Config(arch.isa, arch.probing, arch.port, self.variant, self.patching, self.preempt, self.views)

    @property
    def make_cpu(self) -> MakeCpu:
        return self.arch.make_cpu(self.engine)
