"""int3: the one byte that every user of breakpoints shares (Intel SDM vol. 2A, INT n/INTO/INT3/INT1)."""

from __future__ import annotations

INT3 = b"\xcc"


def may_change_live(addr: int, old: bytes, new: bytes) -> bool:
    """Whether a CPU that fetches while text changes gets the old or the new, and nothing else.

    Linux relies on it for one byte that is int3 before or after (arch/x86/kernel/alternative.c); any
    other change of text that is being executed is cross-modifying code without synchronisation, and undefined
    (Intel SDM vol. 3A, Handling Self- and Cross-Modifying Code).
    """
    return old == new or (len(old) == 1 and INT3 in (old, new))
