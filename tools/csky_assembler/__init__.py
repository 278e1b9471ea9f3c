"""An assembler for C-SKY's firmware, which no released toolchain builds here: sources to an ELF."""
