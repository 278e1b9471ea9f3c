"""The guest kernels' images, as package data: installed as `emu.firmware`, and in a checkout a folder beside `emu`."""
