"""A kprobe on x86 keeps as many bytes as the kernel's decoder sees, whatever others take the instruction for."""

import pytest

import arches
from emu.transparent.bench import Bench
from emu.transparent.case import Case


@pytest.mark.parametrize(
    "code",
    [
        "0f227aa8",  # mov cr7, [rdx - 0x58]: the kernel's decoder follows ModRM, the processor takes it for a register
        "d9d1",  # no x87 instruction, but two bytes of the x87 map
        "07",  # pop es, which 64-bit mode has not: one byte
    ],
)
def test_probed_bytes_are_the_kernels(code):
    arch = arches.load("x86")
    bench = Bench(arch, arch.port.variants["v6.2"], arches.trials(arch))
    insn = bytes.fromhex(code)
    assert bench.open(Case(insn, bench.layout.sites[0])) == 0
    assert bench.probe.opcode == insn
    assert bench.probe.ainsn.length == len(insn)
    bench.close()
