"""LoongArch64 (LA464, with the atomics that the LA664 added)."""
