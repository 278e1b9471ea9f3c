"""What `arch_prepare_kprobe` says on x86-64, by release (arch/x86/kernel/kprobes/core.c).

Its steps in order: `can_probe` walks from the symbol's start to the address; the copy refuses what cannot be
stepped anywhere; the emulation, since 5.13, refuses or takes over what changes RIP or IF. Everything else is
stepped, also what no processor executes. Stable backports are not followed, with one exception: the rules
for 6.1 have the boundary fix that 6.1.y took from 6.2 (1993bf97992d), as every shipped 6.1 does.

Left out: text reserved for alternatives (-EINVAL until 2025), which needs the kernel's own lists, and a slot more
than 2 GiB away, which only `copy.build_slot` can know.
"""

from __future__ import annotations

from collections.abc import Callable

from arches.x86 import bugs
from arches.x86.insns import EMULATE_PREFIXES, MAX_INSN_LENGTH, decode_fields, shape_of
from arches.x86.insns_fields import X86Insn
from arches.x86.verdict_rules import Rule, find_rule
from emu.verdict.site import NO_REPAIRS, Judgement, Release, Repairs, Site, Verdict

INT3_STEPPING = (5, 13)  # 6256e668b7af: a second int3 instead of the trap flag
ENDBR_SKIPPED = (5, 18)  # cc66bb914578: a probe at the entry goes behind ENDBR
INT3_PADDING_ALLOWED = (6, 1)  # 1993bf97992d
CFI_CHECKED = (6, 6)  # de02f2ac5d8c: the words that feed a CFI trap
EXCEPTIONS_REFUSED = (6, 9)  # e884edbb844f: the instruction at the address is decoded with the walk
CFI_TRAP_DISTANCE = {b"\xba": 12, b"\x03": 6}  # from `mov -id, %r10d` and `add -4(%reg), %r10d` to the ud2
UD2 = b"\x0f\x0b"
INT3 = b"\xcc"
# arch/x86/include/asm/ibt.h: endbr64, endbr32, and what a sealed endbr64 is replaced by
ENDBRS = (b"\xf3\x0f\x1e\xfa", b"\xf3\x0f\x1e\xfb", b"\x66\x0f\x1f\x00")
SLOT_SIZE = 16  # MAX_INSN_SIZE
JMP32_SIZE = 5

Read = Callable[[int, int], bytes | None]


def judge(site: Site, release: Release | None, repairs: Repairs = NO_REPAIRS) -> Judgement:
    """The verdict on an address under the rules of a release, None for the newest.

    Without `site.symbol` the address is taken for an instruction boundary. Feature `cfi` is a kernel built
    with CFI checks.
    """
    insn = decode_fields(site.insn, site.addr, release)
    judgement = _can_probe(site, insn, release) or _copy(insn, release) or _execute(site, insn, release)
    if judgement.rule in ("retf", "retf_imm") and bugs.FAR_RET.id in repairs:  # as far calls and jumps are
        return _reject(judgement.rule, "far return: segments are not emulated", "EOPNOTSUPP")
    return judgement


def adjust_kprobe_addr(addr: int, offset: int, read: Read, release: Release | None = None) -> tuple[int, bool]:
    """Where a probe at `addr + offset` goes, and whether that counts as the function's entry.

    `addr` is the symbol's start. If there is an ENDBR, offsets 0 and 4 are both the entry and become 4
    (`arch_adjust_kprobe_addr`).
    """
    if not _since(release, ENDBR_SKIPPED) or read(addr, 4) not in ENDBRS:
        return addr + offset, offset == 0
    on_entry = offset in (0, 4)
    return addr + (4 if on_entry else offset), on_entry


def can_boost(insn: X86Insn, release: Release | None, in_extable: bool = False) -> bool:
    """Whether the copy may run and jump back without a second trap; then it runs even where there is an action.

    Linux does so only in a kernel without preemption, for a probe without post_handler.
    """
    if in_extable or insn.size + JMP32_SIZE > SLOT_SIZE or len(insn.opcode) > 2:
        return False
    has_prefix = b"\x2e" in insn.prefixes or b"\x67" in insn.prefixes
    if _since(release, INT3_STEPPING) and has_prefix and len(insn.opcode) == 1:
        return False
    rule = find_rule("boost", insn, release)
    return rule is not None and rule.decision == "yes"


def _since(release: Release | None, first: Release) -> bool:
    return release is None or release >= first


def _can_probe(site: Site, insn: X86Insn | None, release: Release | None) -> Judgement | None:
    refusal = _walk(site, release)
    if refusal is not None:
        return _reject("boundary", refusal, "EILSEQ")
    if insn is None:
        return _reject("undecodable", "no instruction", "EILSEQ") if _since(release, EXCEPTIONS_REFUSED) else None
    if "cfi" in site.features and _since(release, CFI_CHECKED):
        distance = CFI_TRAP_DISTANCE.get(insn.opcode)
        if distance is not None and site.read(site.addr + distance, len(UD2)) == UD2:
            return _reject("cfi", f"feeds the CFI trap {distance} bytes ahead", "EILSEQ")
    return _refused_by(find_rule("can_probe", insn, release))


def _walk(site: Site, release: Release | None) -> str | None:
    """Why the address is no boundary: decode from the symbol's start until it is reached exactly."""
    at = last = site.walk_from
    while at < site.addr:
        insn = decode_fields(_window(site.read, at), 0, release)
        if insn is None:
            return f"nothing can be decoded at {at:#x}, on the way from the symbol's start"
        if insn.opcode == INT3 and not _since(release, INT3_PADDING_ALLOWED):
            return f"there is an INT3 at {at:#x}, on the way from the symbol's start"
        at, last = at + insn.size, at
    return None if at == site.addr else f"inside of the instruction at {last:#x}"


def _window(read: Read, addr: int) -> bytes:
    """The longest instruction's worth of text at addr, less at the end of what can be read."""
    for size in range(MAX_INSN_LENGTH, 0, -1):
        code = read(addr, size)
        if code is not None:
            return code
    return b""


def _copy(insn: X86Insn | None, release: Release | None) -> Judgement | None:
    if insn is None:
        return _reject("undecodable", "no instruction", "EINVAL")
    if insn.code.startswith(EMULATE_PREFIXES):
        return _reject("emulate_prefix", "a prefix that asks the hypervisor to emulate", "EINVAL")
    return _refused_by(find_rule("copy", insn, release))


def _execute(site: Site, insn: X86Insn | None, release: Release | None) -> Judgement:
    assert insn is not None  # _copy refused it
    rule = find_rule("emulate", insn, release)
    refusal = _refused_by(rule)
    if refusal is not None:
        return refusal
    boostable = can_boost(insn, release, site.in_extable)
    if rule is not None:
        return Judgement(Verdict.SIMULATE, rule.name, rule.why, action=rule.detail, boostable=boostable)
    shape = shape_of(insn.opcode)
    name = "vex" if insn.vex else shape.name if shape is not None else "prefix"
    how = "an int3 behind it" if _since(release, INT3_STEPPING) else "the trap flag"
    return Judgement(Verdict.STEP, name, f"stepped in a slot with {how}", boostable=boostable)


def _refused_by(rule: Rule | None) -> Judgement | None:
    return _reject(rule.name, rule.why, rule.detail) if rule is not None and rule.decision == "reject" else None


def _reject(rule: str, why: str, errno: str) -> Judgement:
    return Judgement(Verdict.REJECT, rule, why, errno=errno)
