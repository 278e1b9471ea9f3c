"""Instruction sets: tables, kprobe rules by release, and the contract that an architecture fills."""
