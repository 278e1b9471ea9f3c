"""Disassemble LoongArch64 words with Capstone 6; runs in a venv of its own, where Capstone 5 is not.

Reads words as hexadecimal lines on standard input, writes one line each: the text, or nothing if there is none.
Every word is taken to be at address 0.
"""

from __future__ import annotations

import sys

import capstone6pwndbg as capstone  # type: ignore[import-not-found]


def main() -> None:
    engine = capstone.Cs(capstone.CS_ARCH_LOONGARCH, capstone.CS_MODE_LOONGARCH64)
    for line in sys.stdin:
        found = list(engine.disasm_lite(int(line, 16).to_bytes(4, "little"), 0))
        print(f"{found[0][2]} {found[0][3]}".strip() if found else "")


if __name__ == "__main__":
    main()
