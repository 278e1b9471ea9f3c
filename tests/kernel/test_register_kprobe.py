"""What register_kprobe says, on every architecture: expectations are Linux's, not ours (see `Kprobe` for the order)."""

import pytest

import arches
from emu.kernel import kallsyms, slots, text
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe, KprobeFlag
from emu.verdict.site import Verdict
from tests.arch_rows import Rows, every_arch_has_a_row

ARCHS = arches.names()


@pytest.fixture
def register(make_lab, errno_of):
    """Register a probe on a fresh kernel."""

    def run(arch, variant="mainline", **where):
        return errno_of(register_kprobe(make_lab(arch, variant).kernel, Kprobe(**where)))

    return run


@pytest.mark.parametrize("arch", ARCHS)
def test_exactly_one_of_addr_and_symbol_name(register, make_lab, arch):
    addr = make_lab(arch).symbol("probe_me")
    assert register(arch) == "EINVAL"
    assert register(arch, addr=addr, symbol_name="probe_me") == "EINVAL"
    assert register(arch, addr=addr) == 0
    assert register(arch, symbol_name="probe_me") == 0


@pytest.mark.parametrize("arch", ARCHS)
def test_an_unknown_symbol_and_an_address_outside_of_any_symbol(register, arch):
    assert register(arch, symbol_name="no_such_symbol") == "ENOENT"
    assert register(arch, addr=0x7000_0000) == "ENOENT"
    assert register(arch, symbol_name="probe_me", offset=0x7000_0000) == "ENOENT"


@pytest.mark.parametrize("arch", ARCHS)
def test_an_insn_slot_is_in_no_symbol(register, make_lab, arch):
    assert register(arch, addr=make_lab(arch).kernel.machine.slots.base) == "ENOENT"


@pytest.mark.parametrize("symbol", ["shared_counter", "stacks", "load_ring"])
@pytest.mark.parametrize("arch", ARCHS)
def test_data_is_not_text(register, make_lab, arch, symbol):
    """load_ring is read-only and shares pages with the text."""
    assert register(arch, symbol_name=symbol) == "EINVAL"
    assert register(arch, addr=make_lab(arch).symbol(symbol)) == "EINVAL"


@pytest.mark.parametrize("arch", ARCHS)
def test_an_offset_is_added_to_a_symbol_and_to_an_address(make_lab, boot, arch):
    lab = make_lab(arch)
    base, site = lab.symbol("probe_call"), lab.symbol("probe_call_site")
    by_name = Kprobe(symbol_name="probe_call", offset=site - base)
    assert boot(register_kprobe(lab.kernel, by_name)) == 0
    by_addr = Kprobe(base, offset=site - base)
    assert boot(register_kprobe(lab.kernel, by_addr)) == 0
    assert by_name.addr == by_addr.addr == site


@pytest.mark.parametrize("arch", ARCHS)
def test_the_same_struct_twice(make_lab, errno_of, arch):
    lab = make_lab(arch)
    probe = Kprobe(lab.symbol("probe_me"))
    assert errno_of(register_kprobe(lab.kernel, probe)) == 0
    assert errno_of(register_kprobe(lab.kernel, probe)) == "EINVAL"
    second = Kprobe(lab.symbol("probe_me"))
    assert errno_of(register_kprobe(lab.kernel, second)) == 0  # another struct: an aggregate, and no EEXIST
    assert errno_of(register_kprobe(lab.kernel, probe)) == "EINVAL"
    assert errno_of(register_kprobe(lab.kernel, second)) == "EINVAL"


@pytest.mark.parametrize("arch", ARCHS)
def test_a_struct_is_used_again_only_with_addr_and_flags_cleared(make_lab, boot, errno_of, arch):
    """Registering fills in addr beside symbol_name; unregistering leaves DISABLED behind (lib/test_kprobes.c)."""
    kernel = make_lab(arch).kernel
    probe = Kprobe(symbol_name="probe_me")
    assert errno_of(register_kprobe(kernel, probe)) == 0
    boot(unregister_kprobe(kernel, probe))
    assert errno_of(register_kprobe(kernel, probe)) == "EINVAL"
    probe.addr = None
    assert errno_of(register_kprobe(kernel, probe)) == 0
    assert probe.disabled
    boot(unregister_kprobe(kernel, probe))
    probe.addr, probe.flags = None, KprobeFlag(0)
    assert errno_of(register_kprobe(kernel, probe)) == 0
    assert not probe.disabled


@pytest.mark.parametrize("arch", ARCHS)
def test_only_the_flag_disabled_survives(make_lab, boot, arch):
    kernel = make_lab(arch).kernel
    probe = Kprobe(symbol_name="probe_me", flags=KprobeFlag.DISABLED | KprobeFlag.GONE)
    probe.nmissed = 3
    assert boot(register_kprobe(kernel, probe)) == 0
    assert (probe.flags, probe.nmissed) == (KprobeFlag.DISABLED, 0)


@pytest.mark.parametrize("symbol", ["guest_start", "guest_exit"])
@pytest.mark.parametrize("arch", ARCHS)
def test_the_blacklist(register, arch, symbol):
    """What the host itself needs to enter and leave a guest; anywhere in the function."""
    assert register(arch, symbol_name=symbol) == "EINVAL"


@pytest.mark.parametrize("arch", ARCHS)
def test_a_bug_table_address(register, make_lab, arch):
    assert register(arch, symbol_name="bug_site") == "EINVAL"
    if make_lab(arch).kernel.machine.address_of("warn_site") is not None:
        assert register(arch, symbol_name="warn_site") == "EINVAL"


# Alignment and boundaries. What is not in the table is tested where the architecture's rules are.


INSIDE = [
    ("arm64", "mainline", (1, 2, 3), "EINVAL"),
    ("riscv", "mainline", (1, 3), "EILSEQ"),
    ("riscv", "seed", (1, 3), "EILSEQ"),
    ("loongarch", "mainline", (1, 2, 3), "EILSEQ"),
    ("loongarch", "v6.3", (1, 2, 3), "EILSEQ"),
    ("loongarch", "seed", (1, 2), 0),  # the vendor tree had no check, like MIPS
    ("csky", "mainline", (1, 3), "EILSEQ"),
    ("mips", "mainline", (1, 2), 0),
    ("x86", "mainline", (1, 2, 3), "EILSEQ"),  # `add $3, %rdi` has four bytes
]
EXTABLE_SITE = Rows(  # what register_kprobe says to an instruction of the exception table
    "tests/kernel/test_register_kprobe.py: EXTABLE_SITE",
    {"arm64": "EINVAL", "csky": 0, "loongarch": 0, "mips": 0, "riscv": 0, "x86": 0},
)


def test_every_architecture_has_a_place_inside_of_probe_me():
    every_arch_has_a_row("tests/kernel/test_register_kprobe.py: INSIDE", (arch for arch, *_ in INSIDE))


@pytest.mark.parametrize("arch", ARCHS)
def test_an_instruction_of_the_exception_table(register, arch):
    assert register(arch, symbol_name="probe_extable_site") == EXTABLE_SITE[arch]


@pytest.mark.parametrize(("arch", "variant", "offsets", "said"), INSIDE)
def test_an_address_inside_of_probe_me(register, arch, variant, offsets, said):
    for offset in offsets:
        assert register(arch, variant, symbol_name="probe_me", offset=offset) == said


def test_in_the_middle_of_an_instruction_on_riscv(register):
    """The walk from the symbol's start came with 87f48c7ccc73 (v6.2)."""
    for symbol in ("probe_me", "probe_straddle_site"):  # 32-bit instructions at 0 and 2 modulo 4
        assert register("riscv", symbol_name=symbol, offset=2) == "EILSEQ"
        assert register("riscv", "seed", symbol_name=symbol, offset=2) == 0


def test_in_the_middle_of_an_instruction_on_csky(register):
    """Nothing but odd addresses is refused there."""
    assert register("csky", symbol_name="probe_step32_site", offset=2) == 0


def test_an_odd_address_on_mips_corrupts_two_instructions(make_lab, errno_of):
    """Seen on Linux 6.1: `sym+1` is accepted, and the break word goes over parts of two words."""
    lab = make_lab("mips")
    addr, kernel = lab.symbol("probe_me"), lab.kernel
    before = text.read(kernel, addr, 8)
    probe = Kprobe(addr + 1)
    assert errno_of(register_kprobe(kernel, probe)) == 0
    assert text.read(kernel, addr, 8) == before[:1] + bytes.fromhex("cd800000") + before[5:]


def test_a_mips_address_that_reads_as_an_sc(register):
    """probe_me is 03 00 84 24 08 00 e0 03 ...: from its last byte on, 24 08 00 e0 has the opcode of sc, 0x38."""
    assert register("mips", symbol_name="probe_me", offset=3) == "EINVAL"


# Refused by what is there.


@pytest.mark.parametrize(
    ("arch", "site", "said"),
    [
        *(("arm64", site, "EINVAL") for site in ("probe_atomic_load", "probe_atomic_store")),
        *(("loongarch", site, "EINVAL") for site in ("probe_atomic_load", "probe_atomic_store", "atomic_add_site")),
        *(("mips", site, "EINVAL") for site in ("probe_atomic_load", "probe_atomic_store")),
        *(("riscv", site, 0) for site in ("probe_atomic_load", "probe_atomic_mid", "probe_atomic_store")),
        *(("csky", site, 0) for site in ("probe_atomic_load", "probe_atomic_mid", "probe_atomic_store")),
        ("riscv", "atomic_add_site", 0),
        ("x86", "atomic_add_site", 0),
        ("arm64", "probe_atomic_mid", "EINVAL"),  # between an exclusive load and its store
        ("loongarch", "probe_atomic_mid", 0),  # nobody else looks for that
        ("mips", "probe_atomic_mid", 0),
        ("mips", "probe_delay_slot", "EINVAL"),
        ("mips", "probe_delay_branch", 0),
        ("mips", "probe_delay_after", 0),
        ("arm64", "foreign_break_site", "EINVAL"),  # BRK cannot be stepped
        ("riscv", "foreign_break_site", "EINVAL"),
        ("riscv", "foreign_break_c_site", "EINVAL"),
        ("csky", "foreign_break_site", 0),
        ("mips", "foreign_break_site", 0),
        ("loongarch", "foreign_break_site", 0),
        ("x86", "foreign_break_site", "EILSEQ"),  # e884edbb844f (v6.9): no INT and UD
    ],
)
def test_instructions_and_places(register, arch, site, said):
    assert register(arch, symbol_name=site) == said


def test_exclusives_are_refused_for_what_they_are_and_the_table_for_the_address(make_lab):
    """-EINVAL has many reasons: these are the ones meant above."""
    kernel = make_lab("arm64").kernel
    rules = {"probe_atomic_mid": "exclusive_region", "probe_extable_site": "exception_table"}
    for site, rule in rules.items():
        judgement = kernel.config.probing.judge(kallsyms.site(kernel, kernel.machine.symbol(site)), None)
        assert (judgement.verdict, judgement.rule) == (Verdict.REJECT, rule)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_exception_table_has_the_one_instruction(make_lab, arch):
    """In the format of that architecture: offsets, or on MIPS and C-SKY addresses; the fixup is not in it."""
    kernel = make_lab(arch).kernel
    image = kernel.machine.image
    covered = range(image.symbols["probe_extable"].address, image.symbols["probe_extable_fixup"].address + 8)
    assert [addr for addr in covered if kallsyms.site(kernel, addr).in_extable] == [
        image.symbols["probe_extable_site"].address
    ]


def test_x86_says_eilseq_to_int3_only_since_6_9(register):
    assert register("x86", "seed", symbol_name="foreign_break_site") == "EINVAL"  # when it is copied


@pytest.mark.parametrize("arch", ARCHS)
def test_a_refused_probe_leaves_no_trace(make_lab, boot, arch):
    lab = make_lab(arch)
    kernel = lab.kernel
    before = text.read(kernel, lab.symbol("guest_start"), 64)
    assert boot(register_kprobe(kernel, Kprobe(symbol_name="guest_start"))) < 0
    assert kernel.kprobe_table == {}
    assert text.read(kernel, lab.symbol("guest_start"), 64) == before


# Slots


@pytest.mark.parametrize("arch", ARCHS)
def test_no_slot_left(make_lab, errno_of, boot, arch):
    """Three instructions that are stepped, and room for two; on RISC-V a slot is never given back."""
    lab = make_lab(arch)
    kernel = lab.kernel
    kernel.slots.count = 2
    first, second, third = (Kprobe(symbol_name=name) for name in ("probe_me", "nested_target", "leaf_add"))
    assert errno_of(register_kprobe(kernel, first)) == 0
    assert errno_of(register_kprobe(kernel, second)) == 0
    assert errno_of(register_kprobe(kernel, third)) == "ENOMEM"
    assert third.addr not in kernel.kprobe_table
    slot = first.ainsn.slot
    boot(unregister_kprobe(kernel, first))
    again = Kprobe(symbol_name="leaf_add")
    assert errno_of(register_kprobe(kernel, again)) == ("ENOMEM" if arch == "riscv" else 0)
    assert again.ainsn.slot == (None if arch == "riscv" else slot)


@pytest.mark.parametrize("arch", ARCHS)
def test_slots_do_not_overlap_and_stay_in_their_page(make_lab, arch):
    """The page's last words are where called guest functions return to."""
    kernel = make_lab(arch).kernel
    machine, stride = kernel.machine, kernel.port.slot_size
    site = kallsyms.site(kernel, machine.symbol("probe_me"))
    opcode = site.insn[: kernel.isa.insn_size(site.insn)]
    taken = []
    while True:
        probe = Kprobe(machine.symbol("probe_me"))
        probe.opcode, probe.ainsn.length = opcode, len(opcode)
        if slots.fill(kernel, probe, site.insn[len(opcode) :]) != 0:
            break
        taken.append(probe.ainsn.slot)
    assert len(taken) == (machine.return_pad - machine.slots.base) // stride
    assert min(taken) >= machine.slots.base
    assert max(taken) + stride <= machine.return_pad
    assert {slot % stride for slot in taken} == {0}
    assert len(set(taken)) == len(taken)
