"""ELF files, images, modules, relocations and exception tables."""
