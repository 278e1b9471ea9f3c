"""What the kernel knows of an address: its name, and what is there with probes and without."""

import pytest

import arches
from emu.kernel import kallsyms, text
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe

ARCHS = arches.names()
NOWHERE = 0x7000_0000


@pytest.fixture
def kernel(make_lab):
    return make_lab("riscv").kernel


def test_an_address_is_a_symbol_and_an_offset(kernel):
    base = kernel.machine.symbol("probe_call")
    assert [kallsyms.at(kernel, base + offset) for offset in (0, 2)] == ["probe_call", "probe_call+0x2"]
    assert kallsyms.at(kernel, kernel.machine.slots.base + 0x10) == "slot+0x10"
    assert kallsyms.at(kernel, NOWHERE) == "0x70000000"


def test_announcements_name_text_and_table_by_symbol(kernel):
    addr = kernel.machine.symbol("probe_me")
    assert kallsyms.text_at(kernel, addr).name == "text[probe_me]"
    assert kallsyms.table_at(kernel, addr).name == "kprobe_table[probe_me]"


@pytest.mark.parametrize("arch", ARCHS)
def test_what_is_known_is_in_a_symbol_of_text_or_data(make_lab, arch):
    kernel = make_lab(arch).kernel
    function, data = kernel.machine.symbol("probe_me"), kernel.machine.symbol("results")
    assert [kallsyms.knows(kernel, addr) for addr in (function, data, NOWHERE)] == [True, True, False]
    assert [kallsyms.kernel_text(kernel, addr) for addr in (function, data, NOWHERE)] == [True, False, False]


def test_the_slots_begin_and_end(kernel):
    slots = kernel.machine.slots
    inside = [kallsyms.in_slot(kernel, addr) for addr in (slots.base - 1, slots.base, slots.end - 1, slots.end)]
    assert inside == [False, True, True, False]


@pytest.mark.parametrize("arch", ARCHS)
def test_the_original_of_a_probed_place_is_read_around_other_probes(make_lab, boot, arch):
    lab = make_lab(arch)
    kernel, addr = lab.kernel, lab.symbol("probe_me")
    before = text.read(kernel, addr, 8)
    probe = Kprobe(addr)
    boot(register_kprobe(kernel, probe))
    assert text.read(kernel, addr, 8) != before
    assert kallsyms.original(kernel, addr, 8) == before
    assert kallsyms.original(kernel, addr + 2, 6) == before[2:]
    assert kallsyms.original(kernel, addr, 1) == before[:1]
    assert kallsyms.memory_at(kernel, addr, 8) == text.read(kernel, addr, 8)
    assert kallsyms.original(kernel, 0x7000_0000, 4) is None


def test_a_site_reads_text_with_and_without_breakpoints(kernel, boot):
    addr = kernel.machine.symbol("probe_me")
    before = text.read(kernel, addr, 4)
    boot(register_kprobe(kernel, Kprobe(addr)))
    site = kallsyms.site(kernel, addr)
    assert (site.addr, site.symbol, site.in_extable) == (addr, addr, False)
    assert site.insn[:4] == site.read(addr, 4) == before
    assert site.raw(addr, 4) == text.read(kernel, addr, 4) != before


def test_a_watched_address_has_its_name(kernel):
    addr = kernel.machine.symbol("leaf_add")
    kallsyms.watch(kernel, addr)
    assert kernel.watched[addr].name == "text[leaf_add]"
