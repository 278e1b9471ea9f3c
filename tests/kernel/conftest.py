"""Kernels to test with: the real firmware, before or after the other CPUs are up, and scenarios written in the test."""

from __future__ import annotations

import errno
from functools import cache

import pytest

import arches
from emu.arch import Setup
from emu.elf.image import load_image
from emu.explore.schedulers import RoundRobin, execute
from emu.explore.search import explore
from emu.kernel.boot import boot as boot_kernel
from emu.lab.lab import FIRMWARE, Lab, Laboratory
from emu.machine.machine import Machine


@cache
def image_of(name):
    arch = arches.load(name)
    return load_image(FIRMWARE / f"{arch.name}.elf", arch.elf)


@cache
def machine_of(name, cpus):
    arch = arches.load(name)
    return Machine(arch.isa, image_of(name), arch.make_cpu(), cpus)


def setup_of(name, variant, patching, preempt, cpus):
    arch = arches.load(name)
    chosen = arch.port.variants[variant]
    return Setup(arch, chosen, patching or chosen.patching, preempt, cpus)


@pytest.fixture
def make_lab():
    """A `Lab` whose kernel is booting: what it is told to do happens at once (`boot`)."""

    def make(arch, variant="mainline", *, patching=None, preempt="none", cpus=2):
        machine = machine_of(arch, cpus)
        machine.reset()
        return Lab(boot_kernel(setup_of(arch, variant, patching, preempt, cpus).config(), machine))

    return make


@pytest.fixture
def boot():
    """Run kernel code to its end; its result."""

    def run(code):
        try:
            while True:
                code.send(None)
        except StopIteration as stop:
            return stop.value

    return run


@pytest.fixture
def errno_of(boot):
    """What kernel code returns, by name: 0 or `EINVAL`."""

    def run(code):
        value = boot(code)
        return value if value == 0 else errno.errorcode[-value]

    return run


@pytest.fixture
def laboratory():
    """Worlds of a scenario that the test has written."""

    def make(scenario, arch, variant="mainline", *, patching=None, preempt="none", cpus=2):
        setup = setup_of(arch, variant, patching, preempt, cpus)
        return Laboratory(scenario, setup, image_of(setup.arch.name))

    return make


@pytest.fixture
def search(laboratory):
    """Every interleaving of such a scenario."""

    def run(scenario, arch, variant="mainline", **settings):
        report = explore(laboratory(scenario, arch, variant, **settings), checked=True)
        assert report.complete
        return report

    return run


class Observed(list):
    """What a test sees of the steps of a search; it is no part of the world's state."""

    def walk(self, walk):
        pass


@pytest.fixture
def observed():
    return Observed


@pytest.fixture
def run_alone(laboratory):
    """One execution in which whoever runs goes on; its outcomes and timeline."""

    def run(scenario, arch, variant="mainline", **settings):
        world = laboratory(scenario, arch, variant, **settings)(trace=True)
        _, outcomes = execute(world, RoundRobin())
        return outcomes, [event.text for event in world.lab.kernel.events]

    return run
