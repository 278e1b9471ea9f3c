"""C-SKY abiv2, little endian, CK810 class; ldex and stex as on the CK860."""
