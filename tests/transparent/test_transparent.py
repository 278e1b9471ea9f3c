"""Probes that change what instructions do: known bugs, found by the search, gone where they are mended."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

import arches
from emu.errors import DecodeError, UsageError
from emu.kernel.bug import Changed, every
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.transparent.bench import Bench, drive
from emu.transparent.case import Case, format_case, nonzero_runs, parse_case
from emu.transparent.compare import Difference
from emu.transparent.search import INTO_SLOT, OWN_EXCEPTION, OWN_TEXT, UNKNOWN, UNSTABLE, Search, search
from emu.transparent.tally import Quota, merged
from emu.trials import Limit, TrialRow, choose, random_word
from emu.verdict.site import NO_REPAIRS
from tests.arch_rows import Rows, every_arch_has_a_row

ARCHS = arches.names()

# Where the benches have their first place for an instruction, A in the cases.
A = Rows(
    "tests/transparent/test_transparent.py: A",
    {
        **dict.fromkeys(("arm64", "riscv", "csky", "mips"), 0x80213000),
        "loongarch": 0x9000000000213000,
        "x86": 0xFFFFFFFF81013000,
    },
)


def chosen(arch, which, repairs=NO_REPAIRS):
    """A variant by name, or the one of a release; None is the newest kernel's."""
    name, release = (which, None) if isinstance(which, str) else (None, which)
    return arches.load(arch).variant(name, release, repairs)


@pytest.fixture(scope="module")
def searches():
    """A bench for an architecture and a kernel, made once."""
    made = {}

    def get(arch, which=None, repairs=NO_REPAIRS):
        if (arch, which, repairs) not in made:
            loaded = arches.load(arch)
            made[arch, which, repairs] = Search(Bench(loaded, chosen(arch, which, repairs), arches.trials(loaded)))
        return made[arch, which, repairs]

    return get


def run(searching, row_names=(), encodings=100, seed=1):
    rows = choose(searching.bench.trials.rows(searching.bench.variant.release), row_names)
    return search(rows, encodings, seed, lambda quotas: [searching.run(quotas)])


@pytest.mark.parametrize("arch", ARCHS)
def test_the_first_site_is_where_the_cases_say(searches, arch):
    assert searches(arch).bench.layout.sites[0] == A[arch]


# Known bugs (tests/arches/test_bugs.py has what each of their cases shows)

FOUND = [
    pytest.param(name, bug, found, id=f"{name}-{bug.id}-{number}")
    for name in ARCHS
    for bug in arches.load(name).bugs
    for number, found in enumerate(bug.found)
    if isinstance(found, Changed) and found.row
]


def kind_of(searching, found):
    return searching.difference(parse_case(found.line, searching.bench.isa)).kind


@pytest.mark.parametrize(("name", "bug", "found"), FOUND)
def test_search_finds_a_known_bug(searches, name, bug, found):
    """One of what is found is of the same kind; what is rare may take a second or third draw."""
    searching = searches(name, bug.last, found.besides)
    tallies = (run(searching, [found.row], encodings=120, seed=seed) for seed in (1, 2, 3))
    kind = kind_of(searching, found)
    assert any(kind in {group.difference.kind for group in tally.groups.values()} for tally in tallies)


@pytest.mark.parametrize(("name", "bug", "found"), FOUND)
def test_search_finds_nothing_of_the_kind_where_bugs_are_repaired(searches, name, bug, found):
    """All of them: some rows have two of one kind."""
    repaired = searches(name, bug.last, every(arches.load(name).bugs))
    tally = run(repaired, [found.row], encodings=60)
    kind = kind_of(searches(name, bug.last, found.besides), found)
    assert kind not in {group.difference.kind for group in tally.groups.values()}


# Slices of the whole search


@pytest.mark.parametrize("arch", ARCHS)
def test_mended_kernel_is_transparent_and_every_row_is_tried(searches, arch):
    searching = searches(arch, "fixed")
    tally = run(searching, encodings=400)
    assert tally.compared.total() >= 400
    assert [group for group in tally.groups.values()] == []
    assert UNSTABLE not in tally.skipped
    rows = searching.bench.trials.rows(searching.bench.variant.release)
    assert [row.label for row in rows if not tally.tried[row.label]] == []
    assert len({row.label for row in rows}) == len(rows)


# What the engines do not know: BC.cond (FEAT_HBC), Zba, an APX push (EVEX map 4, llvm-mc), TILERELEASE (AMX), a
# saturating multiplication of the accumulator, and the FPU's double-precision paired single of MIPS64.
UNKNOWN_WORDS = {
    "arm64": ("0x54000050", "kprobes.rules:system"),
    "riscv": ("0x2041a133", "insns.decode:sh1add"),
    "x86": ("c4e27849c0", "opcodes:rest_0f38"),
    "csky": ("0xb020f800", "insns.decode:vmulsh32"),
}


@pytest.mark.parametrize("arch", UNKNOWN_WORDS)
def test_what_the_engine_does_not_know_is_not_compared(searches, arch):
    """An instruction that is illegal in both places has not been executed, so that nothing is known of its row."""
    searching, (word, row) = searches(arch), UNKNOWN_WORDS[arch]
    case = parse_case(f"word={word} at={A[arch]:#x}", searching.bench.isa)
    assert searching.difference(case) in (UNKNOWN, "refused: -EILSEQ")
    tally = run(searching, [row], encodings=20)
    assert not tally.covered(row) and tally.why_not(row) == UNKNOWN


@pytest.mark.parametrize("word", ["0f31", "0f01f9"])
def test_a_counter_is_compared(searches, word):
    """rdtsc and rdtscp give the same in both places: nobody else looks at the counter."""
    searching = searches("x86")
    case = parse_case(f"word={word} at={A['x86']:#x} rax=0x7 rdx=0x7", searching.bench.isa)
    assert not any(limit.applies(case.insn) for limit in searching.bench.trials.limits)
    assert searching.difference(case) is None


NOT_MODELLED = {
    "loongarch": ("csrwr $a0, 0x180", "CSR: this CSR is not modelled"),  # DMW0
    "csky": ("mtcr a0, cr<30, 15>", "control register: what this control register does is not modelled"),  # MSA0
}


@pytest.mark.parametrize("arch", NOT_MODELLED)
def test_writes_to_control_registers_that_are_not_modelled_are_not_compared(searches, arch):
    bench, (text, why) = searches(arch).bench, NOT_MODELLED[arch]
    insn = bench.isa.assemble(text, A[arch])
    assert [f"{limit.name}: {limit.why}" for limit in bench.trials.limits if limit.applies(insn)] == [why]


MIPS_BRANCHES = {"j", "jal", "jr", "jalr", "beq", "bne", "blez", "bgtz", "beql", "bnel", "blezl", "bgtzl"}
MIPS_BRANCHES |= {"bltz", "bgez", "bltzl", "bgezl", "bltzal", "bgezal", "bltzall", "bgezall"}
CSKY_BRANCHES = {"br16", "bt16", "bf16", "br32", "bt32", "bf32", "bsr32"}
CSKY_BRANCHES |= {"bnez32", "bnezad32", "bhsz32", "bhz32", "blsz32", "blz32"}
EXPECTED_RULES = {
    ("riscv", None): {"c_jr", "c_jalr", "other"},  # other: lr
    ("arm64", None): {"other"},  # ldr of floating point literals
    ("loongarch", None): {"pcaddu18i", "other"},  # other: ertn
    ("x86", None): {"call", "call_reg", "loop", "loope", "loopne", "popf", "pushf", "ret_imm", "retf", "retf_imm"},
    ("mips", None): {*MIPS_BRANCHES, "cop1", "other"},  # other: jalx
    # All that is PC-relative, pc += 0 of lrw, r29 in pop; other: grs. bez32 is wrong too where it is taken and far.
    ("csky", None): {*CSKY_BRANCHES, "lrw16", "lrw32", "pop16", "pop32", "jmpi32", "jsri32", "other"},
    # Stepping by the trap flag hits a repeated string instruction once for each element, and loses a popped TF.
    ("x86", (5, 12)): {"pushf_popf", "string"},
}


def test_every_architecture_has_its_known_defects_here():
    every_arch_has_a_row("tests/transparent/test_transparent.py: EXPECTED_RULES", (arch for arch, _ in EXPECTED_RULES))


@pytest.mark.parametrize(("arch", "which"), EXPECTED_RULES)
def test_kernel_has_no_other_defects_than_the_known_ones(searches, arch, which):
    """Which of them a short search meets is chance; all of them are in the next test."""
    tally = run(searches(arch, which), encodings=500)
    assert {group.rule for group in tally.groups.values()} <= EXPECTED_RULES[arch, which]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("arch", "which"), EXPECTED_RULES)
def test_kernel_has_the_known_defects_and_no_others(searches, arch, which):
    tally = run(searches(arch, which), encodings=2500)
    assert {group.rule for group in tally.groups.values()} == EXPECTED_RULES[arch, which]


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", [2])
@pytest.mark.parametrize("arch", ARCHS)
def test_mended_kernel_is_transparent_ten_thousand_times(searches, arch, seed):
    tally = run(searches(arch, "fixed"), encodings=10_000, seed=seed)
    assert tally.compared.total() >= 10_000
    assert [str(group.difference) for group in tally.groups.values()] == []
    assert UNSTABLE not in tally.skipped


@pytest.mark.exhaustive
@pytest.mark.parametrize("arch", ARCHS)
def test_ten_thousand_encodings_of_the_newest_kernel(searches, arch):
    searching = searches(arch)
    tally = run(searching, encodings=10_000)
    assert tally.compared.total() >= 10_000
    for group in merged(tally.groups.values()):
        shown = searching.difference(parse_case(searching.finding(group).case, searching.bench.isa))
        assert shown.kind == group.difference.kind


# Shrinking, and cases as text


def with_routine(arch_name, name, wrong):
    """The mended kernel with one simulation routine replaced."""
    arch = arches.load(arch_name)
    mended = arch.port.variants["fixed"]
    variant = replace(mended, actions=lambda repairs: {**mended.actions(repairs), name: wrong(mended.action(name))})
    return Search(Bench(arch, variant, arches.trials(arch)))


def only_low_halves(right):
    """A comparison of 32 bits."""

    def simulate(regs, insn, addr):
        before = [regs.gpr[number] for number in range(32)]
        for number, value in enumerate(before):
            regs.gpr[number] = value & 0xFFFFFFFF
        right(regs, insn, addr)
        for number, value in enumerate(before):
            regs.gpr[number] = value

    return simulate


def loses_a_register(right):
    """Wrong only where two registers are what they are: x20 is lost while x21 is large."""

    def simulate(regs, insn, addr):
        if regs.gpr[20] and regs.gpr[21] > 0x1000:
            regs.gpr[20] = 0
        right(regs, insn, addr)

    return simulate


@pytest.mark.parametrize(
    ("routine", "wrong", "row", "registers", "most"),
    [
        ("simulate_branch", only_low_halves, "kprobes.rules:branch", None, 1),
        ("simulate_auipc", loses_a_register, "insns.decode:auipc", {"x20": 1, "x21": 0x1001}, 2),
    ],
)
def test_planted_defect_is_found_and_shrunk(routine, wrong, row, registers, most):
    searching = with_routine("riscv", routine, wrong)
    [group] = merged(run(searching, [row], encodings=150).groups.values())
    finding = searching.finding(group)
    case = parse_case(finding.case, searching.bench.isa)
    assert len(case.regs) <= most
    assert case.mem == {} and case.then == b""
    assert str(searching.difference(case)) == finding.difference
    if registers is not None:
        assert case.regs.keys() == registers.keys()
        assert case.regs["x20"] == 1
        # Values lose their lowest bits where that can be: 0x1001 itself is not reached by that.
        assert case.regs["x21"].bit_count() == 1 or case.regs["x21"] == registers["x21"]


def test_planted_defect_in_memory_is_shrunk_to_its_word():
    def wrong(right):
        def simulate(regs, insn, addr):
            if regs.load(0x80300400, 1):
                regs.store(0x80300400, 0, 1)
            right(regs, insn, addr)

        return simulate

    searching = with_routine("riscv", "simulate_auipc", wrong)
    [group] = merged(run(searching, ["insns.decode:auipc"], encodings=60).groups.values())
    case = parse_case(searching.finding(group).case, searching.bench.isa)
    assert case.regs == {}
    assert [(0x80300400 - addr) // 8 for addr, data in case.mem.items()] == [0]
    assert searching.difference(case).kind == "memory"


@pytest.mark.parametrize("arch", ARCHS)
def test_every_reported_line_can_be_pasted_back(searches, arch):
    searching = searches(arch)
    groups = merged(run(searching, encodings=300).groups.values())
    assert groups or arch == "arm64"
    for group in groups:
        finding = searching.finding(group)
        case = parse_case(finding.case, searching.bench.isa)
        assert format_case(case, searching.bench.isa) == finding.case
        assert str(searching.difference(case)) == finding.difference
        assert searching.replay(case).conclusion == finding.difference


def test_random_cases_survive_the_text(searches):
    rng = Random(7)
    bench = searches("arm64").bench
    regs = {f"x{n}": rng.getrandbits(64) for n in range(0, 30, 3)} | {"v3": 1 << 127, "z": 1, "daif": 0x80}
    mem = {bench.layout.buffer + 0x10: bytes.fromhex("000000ff00000000000000000000000001")}
    case = Case(bytes(4), A["arm64"], regs, mem, then=bytes.fromhex("29050091"))
    again = parse_case(format_case(case, bench.isa), bench.isa)
    assert again.regs == regs
    assert again.mem == {bench.layout.buffer + 0x13: b"\xff", bench.layout.buffer + 0x20: b"\1"}
    assert (again.insn, again.at, again.then) == (case.insn, case.at, case.then)


def test_runs_of_bytes_that_are_not_zero():
    data = bytes([0, 1, 0, 0, 2]) + bytes(9) + b"\3" + bytes(4)
    assert list(nonzero_runs(0x100, data)) == [(0x101, b"\1\0\0\2"), (0x10E, b"\3")]


BAD_CASES = {
    "nothing": ("", "expected word="),
    "no place": ("word=0x13", "expected word=... at=..."),
    "no value": ("word=0x13 at=0x80213000 x1=", "'x1='"),
    "twice": ("word=0x13 at=0x80213000 x1=1 x1=2", "'x1=2'"),
    "no number": ("word=0x13 at=here", "at=here"),
    "no register": ("word=0x13 at=0x80213000 y1=1", "y1"),
    "the pc": ("word=0x13 at=0x80213000 pc=1", "pc=1"),
    "too wide": ("word=0x13 at=0x80213000 x1=0x10000000000000000", "64 bits"),
    "no bytes": ("word=0x13 at=0x80213000 mem=0x80300000:0", "mem=0x80300000:0"),
    "no word": ("word=0xffff0 at=0x80213000", "0xffff0"),
    "not a place": ("word=0x13 at=0x80213002", "0x80213000"),
    "not the buffer": ("word=0x13 at=0x80213000 mem=0x1000:ff", "0x80300000"),
    "then refused": ("word=0x13 at=0x80213000 then=0x00000073", "lets be probed"),
}


@pytest.mark.parametrize(("line", "part"), BAD_CASES.values(), ids=BAD_CASES)
def test_bad_case(line, part):
    searching = Search(Bench(arches.load("riscv"), chosen("riscv", None), arches.trials(arches.load("riscv"))))
    with pytest.raises(Exception) as raised:
        searching.replay(parse_case(line, searching.bench.isa))
    assert type(raised.value).__module__ == "emu.errors"
    assert part in str(raised.value)


@pytest.mark.parametrize("word", ["66", "e8", "0f1f"])
def test_half_an_instruction_is_no_case(word):
    """What follows in memory is not the user's."""
    for line in (f"word={word} at=0xffffffff81013000", f"word=90 at=0xffffffff81013000 then={word}"):
        with pytest.raises(DecodeError, match=f"word {word}: cut off"):
            parse_case(line, arches.load("x86").isa)


def test_states_that_the_engine_does_not_survive_are_refused(searches):
    case = parse_case("word=0x03e00008 at=0x80213000 next=0x00000000 r31=0x80208001", arches.load("mips").isa)
    with pytest.raises(UsageError, match="MIPS16"):
        searches("mips").replay(case)
    assert "MIPS16" in searches("mips").difference(case)


# What is compared, and what is not


def test_reading_its_own_breakpoint_is_no_difference(searches):
    """`ldr x0, .` reads the word that the probe has replaced."""
    case = parse_case("word=0x58000000 at=0x80213000", arches.load("arm64").isa)
    assert searches("arm64").difference(case) == OWN_TEXT


def test_going_to_its_own_slot_is_no_difference(searches):
    """`b 0x8020100c`, where the break behind the copy of its delay slot is."""
    searching = searches("mips", "fixed")
    case = parse_case("word=0x1000b802 at=0x80213000 next=0x25080001", arches.load("mips").isa)
    searching.bench.open(case)
    assert searching.bench.probe.ainsn.slot == 0x80201008
    searching.bench.close()
    assert searching.difference(case) == INTO_SLOT


def test_a_fault_in_the_slot_is_not_compared(searches):
    """The kernel's handler would find the pc in the slot, and interrupts masked (kprobe_fault_handler)."""
    for arch, line in {
        "arm64": "word=0xf9400020 at=0x80213000 x1=0x1000",
        "riscv": "word=0x0005b503 at=0x80213000 x11=0x1000",
        "loongarch": "word=0x28c000a4 at=0x9000000000213000 r5=0x1000",
        "csky": "word=0x9000 at=0x80213000 r0=0x1000",
        "mips": "word=0x8c820000 at=0x80213000 r4=0x1000",
        "x86": "word=8b06 at=0xffffffff81013000 rsi=0x1000",
    }.items():
        searching = searches(arch)
        case = parse_case(line, searching.bench.isa)
        searching.bench.open(case)
        plain, probed = searching.bench.in_place(case), searching.bench.under_probe(case)
        searching.bench.close()
        assert plain.first.end == probed.first.end
        assert (plain.first.end.kind, plain.first.end.pc) == ("fault", case.at)
        assert searching.difference(case) == OWN_EXCEPTION


@pytest.mark.parametrize("arch", ARCHS)
def test_text_and_kernel_are_as_before_when_a_probe_is_gone(searches, arch):
    bench = searches(arch, "fixed").bench
    text = bench.probed.machine.memory.region(bench.layout.text)
    insn = bench.trials.canary
    for at in bench.layout.sites:
        assert bench.open(Case(insn, at)) == 0
        assert bytes(text.bytes[at - text.base :][: len(insn)]) != insn  # the breakpoint
        bench.close()
        assert bytes(text.bytes[at - text.base :][: len(insn)]) == insn
    assert set(bench.kernel.kprobe_table) == {bench.layout.then_at}


def test_slots_that_are_never_given_back_do_not_run_out(searches):
    bench = searches("riscv", "fixed").bench
    for _ in range(600):
        assert bench.open(Case(bench.trials.canary, bench.layout.sites[0])) == 0
        bench.close()


def test_interrupts_on_and_off_and_both_modes_of_the_fpu_are_tried(searches):
    from emu.transparent.states import States

    states, rng = States(searches("mips").bench), Random(1)
    seen = {states.registers(bytes(4), A["mips"], rng).get("cp0_status") for _ in range(50)}
    assert seen == {None, 0x20000000, 0x24000000, 0x24000001}  # CU1, IE, and FR


WRONG = {
    "hits": {"hits": 2},
    "post hits": {"post_hits": 0},
    "nmissed": {"missed": 1},
    "preempt_count": {"preempt_count": 1},
    "next probe: hits": {"then_hits": 0},
    "next probe: nmissed": {"then_missed": 1},
}


@pytest.mark.parametrize(("kind", "wrong"), WRONG.items(), ids=WRONG)
def test_what_the_kernel_counts_is_compared(searches, kind, wrong):
    searching = searches("riscv", "fixed")
    bench = searching.bench
    case = Case(bench.trials.canary, bench.layout.sites[0], then=bench.trials.canary)
    bench.open(case)
    plain, probed = bench.in_place(case), bench.under_probe(case)
    assert searching.compare.first(case, plain, probed, bench.probe.ainsn.slot) is None
    assert searching.compare.first(case, plain, replace(probed, **wrong), bench.probe.ainsn.slot).kind == kind
    bench.close()


@pytest.mark.parametrize("other", [{"pc": A["riscv"] + 4}, {"kind": "illegal"}])
def test_another_end_is_a_difference(searches, other):
    """A load that faults in place, and somewhere else, or otherwise, under the probe."""
    searching = searches("riscv", "fixed")
    bench, case = searching.bench, parse_case("word=0x0005b503 at=0x80213000 x11=0x1000", arches.load("riscv").isa)
    bench.open(case)
    plain, probed = bench.in_place(case), bench.under_probe(case)
    moved = replace(probed, first=replace(probed.first, end=replace(probed.first.end, **other)))
    assert searching.compare.first(case, plain, probed, bench.probe.ainsn.slot) is None
    assert searching.compare.first(case, plain, moved, bench.probe.ainsn.slot).what == "end"
    bench.close()


def test_hits_and_post_handlers_are_counted(searches):
    bench = searches("x86", "fixed").bench
    for number, at in enumerate(bench.layout.sites):
        case = Case(bytes.fromhex("4883c001"), at, then=bench.trials.canary)  # add rax, 1
        bench.open(case)
        result = bench.under_probe(case)
        assert (bench.probe.post_handler is None) == (number % 2 == 0)
        assert bench.probe.ainsn.boostable == (number % 2 == 0)
        assert (result.hits, result.post_hits, result.then_hits) == (1, 1, 1)
        bench.close()


def test_kernel_code_that_would_wait_is_stuck(searches):
    from emu.transparent.bench import Stuck

    bench = searches("riscv").bench
    bench.kernel.kprobe_mutex.held = True
    with pytest.raises(Stuck, match="kprobe_mutex"):
        drive(register_kprobe(bench.kernel, Kprobe(bench.layout.sites[0])))
    bench.kernel.kprobe_mutex.held = False


def test_a_limit_is_counted_with_its_reason(searches):
    searching = searches("riscv")
    examples = replace(searching.bench.trials, limits=(Limit("all", lambda insn: True, "no reason"),))
    limited = Search(Bench(searching.bench.arch, searching.bench.variant, examples))
    tally = run(limited, ["add"], encodings=5)
    assert tally.compared.total() == 0
    assert tally.skipped["all: no reason"] == tally.tried.total() > 0


def test_what_does_not_show_again_is_no_finding():
    """The first execution under a probe has a register wrong, and none after it."""
    arch = arches.load("riscv")
    searching = Search(Bench(arch, chosen("riscv", "fixed"), arches.trials(arch)))
    right, calls = searching.bench.under_probe, []

    def under_probe(case):
        calls.append(right(case))
        first = calls[0].first
        wrong = replace(calls[0], first=replace(first, values=(first.values[0] + 1, *first.values[1:])))
        return wrong if len(calls) == 1 else calls[-1]

    searching.bench.under_probe = under_probe
    tally = run(searching, ["insns.decode:add"], encodings=5)
    assert (dict(tally.groups), tally.skipped[UNSTABLE]) == ({}, 1)


def test_same_seed_same_cases(searches):
    searching = searches("loongarch")
    one, other = (run(searching, ["pcaddu18i"], encodings=20, seed=5) for _ in range(2))
    assert [g.case for g in one.groups.values()] == [g.case for g in other.groups.values()]
    different = run(searching, ["pcaddu18i"], encodings=20, seed=6)
    assert [g.case for g in one.groups.values()] != [g.case for g in different.groups.values()]


def test_rows_are_tried_alike_alone_and_together(searches):
    searching = searches("loongarch")
    quotas = [Quota(f"insns.decode:{name}", 10, 1) for name in ("pcaddu18i", "add.d")]
    together = searching.run(quotas)
    alone = searching.run(quotas[:1])
    assert [g.case for g in alone.groups.values()] == [g.case for g in together.groups.values()]


def test_choosing_rows():
    rows = [TrialRow("a", "x", lambda rng: None), TrialRow("b", "x", lambda rng: None)]
    assert choose(rows, []) == rows
    assert choose(rows, ["x"]) == rows
    assert choose(rows, ["b:x"]) == rows[1:]
    with pytest.raises(UsageError, match="row 'y': expected one of a:x, b:x"):
        choose(rows, ["y"])


def test_random_words_have_the_rows_bits_and_its_edges():
    from arches.csky.insns import TABLE

    rng = Random(3)
    for row in TABLE.rows:
        words = [random_word(row, rng) for _ in range(60)]
        assert all(word & row.mask == row.bits for word in words)
        for field in row.fields:
            if field.name not in ("lit", "far") and field.width > 2:
                assert {field.extract(word) - field.bias for word in words} >= {0} or field.low > 0


def test_random_words_often_have_the_same_field_twice():
    from arches.riscv.insns import table

    row = next(row for row in table().rows if row.name == "jalr")
    rng = Random(5)
    fields = []
    for _ in range(600):
        word = random_word(row, rng)
        fields.append({field.name: field.extract(word) for field in row.fields})
    same = [found for found in fields if found["rd"] == found["rs1"] != 0]
    assert len(same) > 600 / 32 * 1.3  # more than by chance alone


def test_merging_groups_of_one_routine():
    from collections import Counter

    from emu.transparent.tally import Group

    def group(rule, count, action="act"):
        difference = Difference("pc", "pc", "0x0", "0x1")
        return Group(rule, action, 0, "why", Case(b"\0", 0), difference, Counter({rule: count}))

    few = merged([group("a", 1), group("b", 2)])
    assert [found.rules for found in few] == [("a",), ("b",)]
    [one] = merged([group(name, count) for count, name in enumerate("abcd", start=1)])
    assert one.rules == ("d", "c", "b", "a") and one.rule == "d" and one.rows.total() == 10
    assert len(merged([group(name, 1, action=None) for name in "abcde"])) == 5
