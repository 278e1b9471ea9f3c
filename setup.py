"""Which packages there are, and where two of them come from; all else is in pyproject.toml.

`emu/api` is installed under the name that users import, and the guest kernels' images inside of `emu`.
"""

from setuptools import find_packages, setup

FOUND = find_packages(include=["emu", "emu.*", "arches", "arches.*"], exclude=["emu.api"])
setup(
    packages=[*FOUND, "trapline", "emu.firmware"],
    package_dir={"trapline": "emu/api", "emu.firmware": "firmware"},
)
