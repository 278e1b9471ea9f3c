"""All 2^32 words of an architecture, counted by the sweep and by a C program that is made from the rows' text.

The program asks every row about every word, last row first, and knows nothing of pages, blocks or chunks.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import arches.arm64.verdict
import arches.csky.verdict
import arches.loongarch.verdict
import arches.mips.verdict
import arches.riscv.verdict
from emu.verdict.sweep import SweepJob, processes, sweep

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="no C compiler: ziglang is not installed"),
]
PROGRAM = """
#include <stdint.h>
#include <stdio.h>
enum {{ N = 4096, ROWS = {rows} }};
int main(void) {{
    static uint8_t row[N];
    static uint64_t counts[4][256];
    uint64_t differing = 0;
    for (uint64_t base = 0; base < 1ull << 32; base += N) {{
        uint32_t differ = 0;
        for (uint32_t i = 0; i < N; i++) {{
            uint32_t w = (uint32_t)base + i, old = 0, new = 0;
            {old}
            {new}
            row[i] = new & 255;
            differ += (old ^ new) >> 8 != 0;
        }}
        for (uint32_t i = 0; i < N; i++) counts[i & 3][row[i]]++;
        differing += differ;
    }}
    for (int i = 0; i < ROWS; i++) {{
        uint64_t count = counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
        printf("%llu\\n", (unsigned long long)count);
    }}
    printf("%llu\\n", (unsigned long long)differing);
}}
"""


def holds(when, release):
    if "@" in when:
        return False
    if when == "all":
        return True
    ends = (end.partition(",")[0] for end in when.split(".."))  # behind commas: stable lines, which are not swept here
    since, until = (tuple(map(int, end.split("."))) if end else None for end in ends)
    if release is None:
        return not until
    return not (since and release < since) and not (until and release >= until)


def statements(rows, release, variable):
    """C statements that leave the first row that matches in a variable: its number, and its verdict from bit 8 up."""
    verdicts = ("reject", "simulate", "step")
    for number, (_name, masks, value, verdict, when, *_) in reversed(list(enumerate(rows))):
        mask, _, nonzero = masks.partition("!")
        extra = f" & ((w & 0x{nonzero}u) != 0)" if nonzero else ""
        if holds(when, release):
            code = verdicts.index(verdict) << 8 | number
            yield f"{variable} = ((w & 0x{mask}u) == 0x{value}u){extra} ? {code}u : {variable};"


def count_in_c(rows, old, new, folder):
    source, program = folder / "count.c", folder / "count"
    source.write_text(
        PROGRAM.format(
            rows=len(rows),
            old="\n".join(statements(rows, old, "old")),
            new="\n".join(statements(rows, new, "new")),
        )
    )
    compiler = [sys.executable, "-m", "ziglang", "cc", "-O3", "-mcpu=native", "-o", program, source]
    subprocess.run(compiler, check=True, env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(folder / "cache")})
    *counts, differing = map(int, subprocess.run([program], check=True, capture_output=True, text=True).stdout.split())
    return counts, differing


@pytest.mark.parametrize("name", ["arm64", "mips", "riscv", "loongarch", "csky"])
def test_every_word(name, tmp_path):
    module = getattr(arches, name).verdict
    text = (Path(module.__file__).parent / "kprobes.rules").read_text()
    rows = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    old = (5, 11) if name == "csky" else (6, 1)
    counts, differing = count_in_c(rows, old, None, tmp_path)
    report = sweep(SweepJob(module.RULES, (old, None)), processes(os.cpu_count() or 1))
    assert sum(report.counts.values()) == 2**32
    assert report.counts == {row[0]: n for row, n in zip(rows, counts, strict=True) if holds(row[4], None)}
    assert report.differing == differing
