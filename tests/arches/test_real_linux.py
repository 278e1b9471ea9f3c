"""What Linux 6.1.176 answered at real addresses, wherever the answer is the instruction's own.

A refusal is somebody else's where `reason` says so (an ftrace site, a blacklist, a notrace function). `reason`
lists every flag that the kernel has for the address, so a blacklisted address without `insn-rejected` still says that
the instruction was acceptable; and where `module_errno` is there, a module called register_kprobe() itself, which
notrace does not stop.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

import arches.arm64.verdict
import arches.mips.verdict
from emu.verdict.site import Site, Verdict

DATA = Path(__file__).parent.parent / "data"
RELEASE = (6, 1)
MIPS_FTRACE_SITES = {  # the nop that was `jal _mcount`, two words behind `move $at, $ra`; `reason` does not tell them
    ("do_fchownat", 48),
    ("clocksource_select_watchdog", 32),
    ("bdev_start_io_acct", 40),
    ("apparmor_path_mknod", 28),
    ("blk_rq_timed_out_timer", 8),
    ("do_fchownat", 332),  # these three are in the function behind the symbol's
    ("bdev_start_io_acct", 428),
    ("blk_rq_timed_out_timer", 44),
}


class Text:
    """The bytes that the entries and their `prev` give, and nothing in between."""

    def __init__(self, entries):
        self.bytes = {}
        for entry in entries:
            addr = int(entry["addr"], 16)
            self.put(addr, bytes.fromhex(entry["bytes"]))
            self.put(addr - 4, bytes.fromhex(entry.get("prev", "")))

    def put(self, addr, data):
        for offset, byte in enumerate(data):
            assert self.bytes.setdefault(addr + offset, byte) == byte

    def read(self, addr, size):
        data = [self.bytes.get(addr + i) for i in range(size)]
        return None if None in data else bytes(data)


def load(name):
    entries = json.loads((DATA / name).read_text())["entries"]
    return entries, Text(entries)


def judge(module, entry, text):
    addr = int(entry["addr"], 16)
    site = Site(bytes.fromhex(entry["bytes"]), addr, text.read, addr - entry["off"])
    return module.judge(site, RELEASE)


def own_answer_arm64(entry):
    """Whether Linux accepted the instruction."""
    if entry["accepted"]:
        return True
    return not {"insn-rejected", "misaligned"} & set(entry["reason"].split(","))


def own_answer_mips(entry):
    """Whether Linux accepted the instruction; None where another refusal hides that."""
    if entry["accepted"]:
        return True
    if entry["reason"] == "notrace-function":
        return entry["module_errno"] is None
    if entry["reason"] == "misaligned" and entry["sym"] == "posix_acl_from_xattr_kuid":
        return None  # a notrace function, and nobody asked with a module
    return None if (entry["sym"], entry["off"]) in MIPS_FTRACE_SITES else False


@pytest.mark.parametrize(
    ("name", "module", "own_answer", "expected"),
    [
        ("arm64-6.1-verdicts.json", arches.arm64.verdict, own_answer_arm64, {True: 221, False: 15}),
        ("mips32el-6.1-verdicts.json", arches.mips.verdict, own_answer_mips, {True: 520, False: 107, None: 11}),
    ],
    ids=["arm64", "mips"],
)
def test_answers_of_linux_6_1(name, module, own_answer, expected):
    entries, text = load(name)
    answers = Counter()
    for entry in entries:
        accepted = own_answer(entry)
        answers[accepted] += 1
        if accepted is not None:
            judgement = judge(module, entry, text)
            assert (judgement.verdict is not Verdict.REJECT) is accepted, (entry, judgement)
            assert judgement.errno == (None if accepted else entry["errno"])
    assert answers == expected
    assert sum(answers.values()) == len(entries)


def test_arm64_slots():
    """`slot` says where the step went: 32 into the slot, 7 were simulated."""
    entries, text = load("arm64-6.1-verdicts.json")
    kinds = {"single-stepped": Verdict.STEP, "simulated": Verdict.SIMULATE}
    slots = [entry for entry in entries if "slot" in entry]
    for entry in slots:
        assert judge(arches.arm64.verdict, entry, text).verdict is kinds[entry["slot"]], entry
    assert Counter(entry["slot"] for entry in slots) == {"single-stepped": 32, "simulated": 7}


def test_misaligned_probes():
    """MIPS accepts 11 of the 12 that it was asked, and refuses the one that a misaligned `jal`-like word precedes."""
    entries, text = load("mips32el-6.1-verdicts.json")
    asked = [e for e in entries if e["off"] % 4 and own_answer_mips(e) is not None]
    refused = [(e["sym"], e["off"]) for e in asked if judge(arches.mips.verdict, e, text).verdict is Verdict.REJECT]
    assert len(asked) == 12
    assert refused == [("blk_rq_timed_out_timer", 2)]
    entries, text = load("arm64-6.1-verdicts.json")
    rules = [judge(arches.arm64.verdict, e, text).rule for e in entries if e["off"] % 4]
    assert rules == ["alignment"] * 6


def test_mips_ftrace_sites_are_what_they_look_like():
    """A nop after `move $at, $ra` and one more word; no other refused word of the entries looks so."""
    entries, text = load("mips32el-6.1-verdicts.json")
    move_at_ra = bytes.fromhex("2508e003")
    refused = [
        e for e in entries if e.get("reason") == "delay-slot-or-llsc-or-ftrace" and not any(bytes.fromhex(e["bytes"]))
    ]
    sites = {(e["sym"], e["off"]) for e in refused if text.read(int(e["addr"], 16) - 8, 4) == move_at_ra}
    assert sites == MIPS_FTRACE_SITES
