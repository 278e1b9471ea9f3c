"""What to say of a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

MANY = 40  # names that are more are not listed
NEAR = 3  # names at most that may have been meant
LONGEST = 512  # characters of a name that similar ones are looked for: KSYM_NAME_LEN of Linux


def one_of(name: str, known: Iterable[str], kind: str = "names") -> str:
    """`expected one of arm64, mips (did you mean mips?)`; of many names only those that may have been meant."""
    names = list(known)
    near = near_to(name, names) if name not in names else []
    listed = ", ".join(names) if len(names) <= MANY else f"{len(names)} {kind}"
    such_as = f", such as {', '.join(names[:NEAR])}" if len(names) > MANY and not near else ""
    return f"expected one of {listed}{such_as}" + (f" (did you mean {', '.join(near)}?)" if near else "")


def near_to(name: str, known: Iterable[str]) -> list[str]:
    """Those that a name is a slip of: most alike first."""
    from difflib import get_close_matches  # not needed by those who make no mistakes

    by_lower = {one.lower(): one for one in known} if len(name) < LONGEST else {}
    return [by_lower[one] for one in get_close_matches(name.lower(), by_lower, NEAR)]
