"""x86-64: int3, copies stepped to a second int3, emulation of what changes RIP or IF."""
