"""Text while it is patched: what a CPU that fetches meanwhile may rely on, and when it sees the new word."""

import pytest

import arches
from emu.kernel import kallsyms, text
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe

ARCHS = arches.names()

# Arm ARM B2.2.5: B, BL, BRK, HVC, ISB, NOP, SMC and SVC may be changed into one another without more.
BRK4, NOP, ADD = 0xD4200080, 0xD503201F, 0x91000C00
CHANGEABLE = [NOP, 0x14000004, 0x97FFFFFF, 0xD4210000, 0xD4000002, 0xD5033FDF, 0xD4000003, 0xD4000001]
OTHERS = [
    ADD,
    0x54000040,  # b.eq
    0x34000040,  # cbz
    0xD63F0000,  # blr
    0xD65F03C0,  # ret
    0xD503203F,  # yield, a hint beside nop
    0xD5033BBF,  # dmb ish, a barrier beside isb
    0xD4400000,  # hlt
]


def arm64_word(word):
    return word.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("word", "allowed"), [*((w, True) for w in CHANGEABLE), *((w, False) for w in OTHERS)], ids=hex
)
def test_what_arm64_allows_to_change_into_a_breakpoint_and_back(word, allowed):
    may = arches.load("arm64").port.may_change_live
    assert may(0x10000, arm64_word(word), arm64_word(BRK4)) is allowed
    assert may(0x10000, arm64_word(BRK4), arm64_word(word)) is allowed


@pytest.mark.parametrize(
    ("arch", "addr", "size", "allowed"),
    [
        ("riscv", 0x10000, 4, True),
        ("riscv", 0x10002, 4, False),  # a 32-bit instruction over a word's boundary
        ("riscv", 0x10002, 2, True),
        ("mips", 0x10000, 4, True),
        ("mips", 0x10001, 4, False),  # what a probe at sym+1 does
        ("loongarch", 0x10004, 4, True),
        ("csky", 0x10002, 2, True),
    ],
)
def test_an_aligned_store_is_seen_whole_elsewhere(arch, addr, size, allowed):
    assert arches.load(arch).port.may_change_live(addr, bytes(size), b"\1" * size) is allowed


@pytest.mark.parametrize(
    ("arch", "patching", "site", "function", "frequency"),
    [
        ("arm64", "live", "probe_me", "probe_me", "sometimes"),  # add to BRK and back
        ("arm64", "live", "probe_load_site", "probe_load", "sometimes"),
        ("arm64", "live", "probe_call_site", "probe_call", "never"),  # bl
        ("arm64", "stop_machine", "probe_me", "probe_me", "never"),
        ("riscv", "live", "probe_me", "probe_me", "never"),
        ("riscv", "live", "probe_c_mv_site", "probe_compressed", "never"),
        ("riscv", "live", "probe_straddle_site", "probe_compressed", "sometimes"),
        ("riscv", "stop_machine", "probe_straddle_site", "probe_compressed", "never"),
        *((arch, "live", "probe_me", "probe_me", "never") for arch in ("mips", "loongarch", "csky", "x86")),
        ("x86", "text_poke", "probe_me", "probe_me", "never"),
    ],
)
def test_who_meets_a_word_that_changes(search, arch, patching, site, function, frequency):
    """Both ways: a probe that comes and one that goes, while another CPU runs through it."""

    def scenario(change):
        def make(lab):
            probe = Kprobe(lab.symbol(site))
            if change is unregister_kprobe:
                lab.boot(register_kprobe(lab.kernel, probe))
            return {"cpu0": run_guest(lab.cpus[0], function), "cpu1": change(lab.kernel, probe)}

        return make

    for change in (register_kprobe, unregister_kprobe):
        report = search(scenario(change), arch, "recheck", patching=patching)
        assert report.frequency("unpredictable") == frequency


@pytest.mark.parametrize("arch", ARCHS)
def test_what_is_stored_is_in_memory_and_in_every_cpus_view_at_once(make_lab, arch):
    lab = make_lab(arch, cpus=2)
    kernel, addr = lab.kernel, lab.symbol("probe_me")
    kernel.booting = False
    new = kernel.isa.breakpoint(kallsyms.site(kernel, addr).insn)
    text.store(kernel, addr, new, live=True)
    assert text.read(kernel, addr, len(new)) == new
    assert [cpu.core.fetched(addr, len(new)) for cpu in lab.cpus] == [new] * 2


def test_a_fetch_is_unpredictable_from_the_store_to_the_end_of_the_flush(make_lab):
    """arm64: an add that becomes a BRK. The instruction beside it is not in question."""
    lab = make_lab("arm64", patching="live")
    kernel, addr, cpu = lab.kernel, lab.symbol("probe_me"), lab.cpus[0].core
    kernel.booting = False
    patching = kernel.patch_text(kernel, addr, arm64_word(BRK4))
    assert repr(patching.send(None)) == "store text[probe_me]"
    text.fetched(kernel, cpu, addr)
    assert kernel.outcomes == set()
    assert repr(patching.send(None)) == "store icache[probe_me]"
    text.fetched(kernel, cpu, addr + 4)
    assert kernel.outcomes == set()
    text.fetched(kernel, cpu, addr)
    assert kernel.outcomes == {"unpredictable"}
    with pytest.raises(StopIteration):
        patching.send(None)
    kernel.outcomes.clear()
    text.fetched(kernel, cpu, addr)
    assert kernel.outcomes == set()
