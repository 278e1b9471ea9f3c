"""Every opcode byte against sets written down from the facts, and what depends on release and surroundings."""

from __future__ import annotations

import pytest

from arches.x86.insns import decode
from arches.x86.verdict import adjust_kprobe_addr, can_boost, judge
from emu.verdict.site import Site, Verdict

NEWEST = None
RELEASES = [(5, 9), (5, 12), (5, 13), (5, 19), (6, 0), (6, 1), (6, 7), (6, 8), (6, 9), NEWEST]
INT3_STEPPING = RELEASES[2:]


def span(first, last):
    return set(range(first, last + 1))


# x86 facts 5.3: the emulation table, opcode byte by opcode byte
EMULATED = {0xFA, 0xFB, 0x9C, 0x9D, 0xC2, 0xC3, 0xCA, 0xCB, 0xE8, 0xE9, 0xEB} | span(0x70, 0x7F) | span(0xE0, 0xE3)
EMULATED_0F = span(0x80, 0x8F)
NOT_SUPPORTED = {0x9A, 0xEA, 0xCF}
EXCEPTIONS, EXCEPTIONS_0F = {0xCC, 0xCD, 0xCE, 0xF1}, {0xFF, 0xB9, 0x0B}
NO_OPCODE = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x0F, 0x62, 0xC4, 0xC5} | span(
    0x40, 0x4F
)
# one-byte opcodes that are not boosted, by the facts' list for 6.1
UNBOOSTED = (
    {0x62, 0x9A, 0xC0, 0xC1, 0xD6, 0xEB, 0xF6, 0xF7, 0xFE, 0xE8, 0xE9}
    | span(0x70, 0x7F)
    | span(0xCC, 0xCE)
    | span(0xD0, 0xD3)
    | span(0xD8, 0xDF)
    | span(0xE0, 0xE3)
    | span(0xF0, 0xF4)
)
BOOSTED_0F = """02 03 06 08 09 1f 20 21 22 23 31 40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 60 61 62 63 64 65 66 67
68 69 6a 6b 6e 6f 74 75 76 77 7e 7f 90 91 92 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a3 a4 a5 a8 a9 ab ac ad af b0
b1 b2 b3 b4 b5 b6 b7 bb bc bd be bf c0 c1 c8 c9 ca cb cc cd ce cf d1 d2 d3 d5 d8 d9 db dc dd df e1 e2 e5 e8 e9 eb ec ed
ef f1 f2 f3 f5 f8 f9 fa fc fd fe"""


def code_of(opcode, modrm=0xC0):
    return bytes([*opcode, modrm]) + bytes(12)


def verdict_of(opcode, release, modrm=0xC0):
    return judge(Site(code_of(opcode, modrm)), release)


def one_byte():
    return [byte for byte in range(256) if byte not in NO_OPCODE]


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_one_byte_map(release):
    for byte in one_byte():
        judgement = verdict_of([byte], release)
        emulates = release in INT3_STEPPING
        if byte in EXCEPTIONS and (release is None or release >= (6, 9)):
            want = (Verdict.REJECT, "EILSEQ")
        elif byte in (0xCC, 0x1F):
            want = (Verdict.REJECT, "EINVAL")
        elif byte in NOT_SUPPORTED and emulates:
            want = (Verdict.REJECT, "EOPNOTSUPP")
        elif byte in EMULATED and emulates:
            want = (Verdict.SIMULATE, None)
        else:
            want = (Verdict.STEP, None)
        assert (judgement.verdict, judgement.errno) == want, hex(byte)


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_two_byte_map(release):
    for byte in range(256):
        if byte in (0x38, 0x3A):
            continue
        judgement = verdict_of([0x0F, byte], release, modrm=0xC8)
        if byte in EXCEPTIONS_0F and (release is None or release >= (6, 9)):
            want = (Verdict.REJECT, "EILSEQ")
        elif byte in EMULATED_0F and release in INT3_STEPPING:
            want = (Verdict.SIMULATE, None)
        else:
            want = (Verdict.STEP, None)
        assert (judgement.verdict, judgement.errno) == want, hex(byte)


@pytest.mark.parametrize("release", RELEASES, ids=str)
@pytest.mark.parametrize("address_prefix", [b"", b"\x67"])
def test_group_5(release, address_prefix):
    for modrm in range(256):
        reg, mod = modrm >> 3 & 7, modrm >> 6
        judgement = judge(Site(address_prefix + code_of([0xFF], modrm)), release)
        if release not in INT3_STEPPING:
            want = Verdict.STEP
        elif reg in (3, 5) or (reg in (2, 4) and (mod != 3 or address_prefix)):
            want = Verdict.REJECT
            assert judgement.errno == "EOPNOTSUPP"
        else:
            want = Verdict.SIMULATE if reg in (2, 4) else Verdict.STEP
        assert judgement.verdict is want, hex(modrm)


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_vm_extensions_and_segments(release):
    for modrm in range(256):
        refused = modrm >> 3 == 0b11000 and release in INT3_STEPPING
        assert verdict_of([0x0F, 0x01], release, modrm).errno == ("EOPNOTSUPP" if refused else None), hex(modrm)
        loads_ss = modrm >> 3 & 7 == 2
        assert verdict_of([0x8E], release, modrm).errno == ("EINVAL" if loads_ss else None), hex(modrm)


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_boost_one_byte(release):
    for byte in one_byte():
        for modrm in range(0xC0, 0x100, 8):
            reg = modrm >> 3 & 7
            want = byte not in UNBOOSTED
            if byte == 0xFF:
                want = reg == 4 and release in INT3_STEPPING
            if release is None or release >= (6, 9):
                if byte in (0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3):
                    want = reg != 6
                elif byte in (0xF6, 0xF7):
                    want = reg != 1
                elif byte == 0xFE:
                    want = reg in (0, 1)
                elif byte == 0xFF:
                    want = reg in (0, 1, 4)
            assert can_boost(decode(code_of([byte], modrm)), release) is want, (hex(byte), reg)


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_boost_two_byte(release):
    boosted = {byte for byte in range(256) if can_boost(decode(code_of([0x0F, byte])), release)}
    assert boosted == set(bytes.fromhex(BOOSTED_0F))
    assert len(boosted) == 126


def test_boost_of_three_byte_opcodes():
    assert not can_boost(decode(bytes.fromhex("0f3800c0")), NEWEST)


@pytest.mark.parametrize(
    ("code", "release", "boosted"),
    [
        ("90", NEWEST, True),
        ("2e90", NEWEST, False),  # CS prefix
        ("2e90", (5, 12), True),  # 6dd3b8c9f588 (5.13): prefixes were not looked at
        ("678b00", (5, 12), True),
        ("678b00", (5, 13), False),
        ("2e0f1f00", NEWEST, True),  # the two-byte bitmap is asked first
        ("48b8" + "00" * 8, NEWEST, True),  # 10 bytes
        ("c70425" + "00" * 8, NEWEST, True),  # 11 bytes: exactly five are left
        ("48c70425" + "00" * 8, NEWEST, False),  # 12 bytes
    ],
)
def test_boost_prefixes_and_room(code, release, boosted):
    assert can_boost(decode(bytes.fromhex(code)), release) is boosted


def test_extable_is_never_boosted():
    site = Site(bytes.fromhex("488b00"), in_extable=True)
    assert judge(site, NEWEST).boostable is False
    assert judge(Site(site.insn), NEWEST).boostable is True


@pytest.mark.parametrize(
    ("code", "release", "action"),
    [
        ("7e00", (5, 19), "jcc_jle_and"),
        ("7e00", (6, 0), "jcc"),
        ("0f8e00000000", (5, 13), "jcc_jle_and"),
        ("0f8e00000000", NEWEST, "jcc"),
        ("41ffd3", (6, 7), "call_reg_5"),
        ("41ffd3", (6, 8), "call_reg"),
        ("ffd0", (6, 1), "call_reg_5"),
        ("ffe0", (6, 1), "jmp_reg"),
        ("e200", NEWEST, "loop"),
        ("ca0800", NEWEST, "ret"),
        ("c5f877", NEWEST, "jcc"),  # vzeroupper: the kernel sees opcode 77
        ("c5f9efc0", NEWEST, None),  # vpxor: opcode ef
        ("c5f9ebc0", NEWEST, "jmp"),  # vpor: opcode eb
    ],
)
def test_action(code, release, action):
    assert judge(Site(bytes.fromhex(code)), release).action == action


@pytest.mark.parametrize(
    ("code", "release", "errno"),
    [
        ("c5f9f1c0", NEWEST, "EILSEQ"),  # vpsllw: opcode f1 passes for int1
        ("c5f9f1c0", (6, 8), None),
        ("c4000000", NEWEST, "EILSEQ"),  # no such VEX map
        ("c4000000", (6, 8), "EINVAL"),
        ("66" * 15, NEWEST, "EILSEQ"),  # longer than 15 bytes
        ("0f0b78656e0fa2", NEWEST, "EINVAL"),  # Xen's forced emulation of cpuid
        ("0f0b6b766d0fa2", (6, 1), "EINVAL"),  # KVM's
        ("0f0b6b766d0f0b", NEWEST, "EILSEQ"),  # ... of ud2
        ("0f0b6b", NEWEST, "EILSEQ"),  # plain ud2
        ("06", NEWEST, None),  # not an instruction in 64-bit mode, and stepped all the same
        ("0f04", NEWEST, None),
        ("", NEWEST, "EILSEQ"),
    ],
)
def test_what_decodes(code, release, errno):
    assert judge(Site(bytes.fromhex(code)), release).errno == errno


# push rbp; mov rbp, rsp; int3; lea rax, [rip]; ret; then a byte that decodes to nothing
TEXT = bytes.fromhex("55 4889e5 cc 488d0500000000 c3 c4000000")
START = 0x4000


def read(addr, size):
    if addr < START or addr + size > START + len(TEXT):
        return None
    return TEXT[addr - START : addr - START + size]


def probe(offset, release, **kwargs):
    return judge(Site(TEXT[offset:], START + offset, read, symbol=START, **kwargs), release)


@pytest.mark.parametrize("release", [(6, 1), (6, 8), NEWEST], ids=str)
def test_walk_stops_at_boundaries(release):
    accepted = [offset for offset in range(14) if probe(offset, release).errno is None]
    assert accepted == [0, 1, 5, 12]  # 4 is the int3, 13 does not decode
    assert all(probe(offset, release).rule == "boundary" for offset in (2, 3, 6, 7, 8, 9, 10, 11))
    assert probe(13, release).rule == "undecodable"
    assert probe(14, release).rule == "boundary"  # nothing after the undecodable byte can be reached


def test_int3_on_the_way():
    """Until 1993bf97992d any INT3 before the address made it unprobable: padding behind a return did."""
    assert [probe(offset, (6, 0)).errno for offset in (0, 1, 4, 5, 12)] == [None, None, "EINVAL", "EILSEQ", "EILSEQ"]
    assert [probe(offset, (6, 1)).errno for offset in (0, 1, 4, 5, 12)] == [None, None, "EINVAL", None, None]
    assert probe(4, (6, 9)).errno == "EILSEQ"


def test_text_that_cannot_be_read():
    assert judge(Site(b"\x90", START + 1, symbol=START), NEWEST).rule == "boundary"


def test_cfi_words():
    """mov r10d, imm32 (6 bytes), add r10d, [rcx-4] (4), je (2), ud2."""
    text = bytes.fromhex("41ba11223344 440351fc 7402 0f0b")

    def judge_at(offset, release, features):
        def read_text(addr, size):
            return text[addr : addr + size] if addr + size <= len(text) else None

        return judge(Site(text[offset:], offset, read_text, features=frozenset(features)), release).rule

    assert judge_at(0, NEWEST, {"cfi"}) == judge_at(6, NEWEST, {"cfi"}) == "cfi"
    assert judge_at(0, NEWEST, ()) == "mov_iv"
    assert judge_at(0, (6, 5), {"cfi"}) == "mov_iv"
    assert judge_at(10, NEWEST, {"cfi"}) == "jcc_short"


@pytest.mark.parametrize("endbr", ["f30f1efa", "f30f1efb", "660f1f00"])
def test_entry_behind_endbr(endbr):
    def read_entry(addr, size):
        return bytes.fromhex(endbr)[:size] if addr == START else None

    assert adjust_kprobe_addr(START, 0, read_entry) == (START + 4, True)
    assert adjust_kprobe_addr(START, 4, read_entry) == (START + 4, True)
    assert adjust_kprobe_addr(START, 5, read_entry) == (START + 5, False)
    assert adjust_kprobe_addr(START, 0, read_entry, (5, 17)) == (START, True)
    assert adjust_kprobe_addr(START, 4, read_entry, (5, 17)) == (START + 4, False)


def test_entry_without_endbr():
    assert adjust_kprobe_addr(START, 0, read) == (START, True)
    assert adjust_kprobe_addr(START, 4, read) == (START + 4, False)
