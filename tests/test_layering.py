"""Who may import whom, as the design has it; read from the source, so nothing needs to be importable."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (  # each imports only what stands before it; those on one floor do not know each other
    ("emu.errors", "emu.bits", "emu.foreign", "emu.spelling"),
    ("emu.choice",),
    ("emu.explore", "emu.parallel"),
    ("emu.blame",),
    ("emu.isa",),
    ("emu.elf",),
    ("emu.machine",),
    ("emu.verdict",),
    ("emu.kernel",),
    ("emu.arch", "emu.trials"),
    ("arches",),
    ("emu.lab", "emu.transparent"),
    ("emu.scenarios",),
    ("emu.report",),
    ("emu.cli",),
    ("emu.api",),
)
LAYERS = [name for floor in FLOORS for name in floor]
MAY_IMPORT = {
    name: {below for lower in FLOORS[:number] for below in lower}
    for number, floor in enumerate(FLOORS)
    for name in floor
}
LIBRARIES = ("unicorn", "capstone", "keystone", "elftools", "numpy", "distributed", "dask")
ARCH_NAMES = {"arm64", "aarch64", "mips", "riscv", "loongarch", "csky", "x86"}


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.py") if ".venv" not in path.parts)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def layer(module):
    if module.split(".")[0] == "arches":
        return "arches"
    return next((name for name in LAYERS if module == name or module.startswith(f"{name}.")), None)


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", sources("emu"), ids=str)
def test_each_layer_imports_only_what_stands_before_it(path):
    own = layer(module_of(path))
    if own is None:
        return
    used = {layer(name) for name in imports(path)} - {None, own}
    upward = {(own, name) for name in used - MAY_IMPORT[own]}
    assert not upward


def imported_modules(path, modules):
    """The files of emu that a file imports, wherever in it that is written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            yield from names or {node.module} & modules


def a_circle(arrows):
    """Files that import one another in a loop; () if there are none."""
    while leaves := {name for name, used in arrows.items() if not used & arrows.keys()}:
        arrows = {name: used for name, used in arrows.items() if name not in leaves}
    return sorted(arrows)


def test_no_files_of_emu_import_each_other_in_a_circle():
    files = {module_of(path): path for path in sources("emu")}
    arrows = {name: set(imported_modules(path, files.keys())) for name, path in files.items()}
    assert a_circle(arrows) == []
    assert "emu.kernel.text" in arrows["emu.kernel.slots"]  # also one imported as `from emu.kernel import text`


def test_a_circle_is_found():
    assert a_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
    assert a_circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("path", sources("emu"), ids=str)
def test_no_import_is_hidden_from_the_interpreter(path):
    """`if TYPE_CHECKING:` is how a circle of types stays importable."""
    assert "TYPE_CHECKING" not in path.read_text()


STRUCTS = {"emu.kernel.configuration", "emu.kernel.locks", "emu.kernel.outcome", "emu.kernel.probe", "emu.kernel.state"}


def test_structs_of_the_kernel_know_nothing_of_the_code_that_works_on_them():
    files = {module_of(path): path for path in sources("emu/kernel")}
    for name in STRUCTS & files.keys():
        assert set(imported_modules(files[name], files.keys())) <= STRUCTS - {name}


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_file_imports_each_library(library):
    files = [
        path.name for path in sources("emu") + sources("arches") if library in {n.split(".")[0] for n in imports(path)}
    ]
    assert len(files) <= 1


def test_the_engine_and_the_elf_reader_are_imported_at_all():
    """The test above would pass if its names were wrong."""
    used = {name.split(".")[0] for path in sources("emu") for name in imports(path)}
    assert {"unicorn", "capstone", "keystone", "elftools", "numpy"} <= used


@pytest.mark.parametrize("path", sources("arches"), ids=str)
def test_an_architecture_knows_no_other(path):
    parts = path.relative_to(ROOT / "arches").parts
    if len(parts) == 1:
        return
    others = {name for name in imports(path) if name.startswith("arches.")}
    assert all(name.split(".")[1] == parts[0] for name in others)


@pytest.mark.parametrize("path", sources("emu"), ids=str)
def test_nothing_outside_arches_asks_for_an_architecture_by_name(path):
    """A comparison with an architecture's name means that `Arch` lacks a field."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare | ast.MatchValue):
            texts = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            assert not texts & ARCH_NAMES


def test_explore_has_never_heard_of_a_cpu():
    text = "".join(path.read_text() for path in sources("emu/explore"))
    assert not re.search(r"unicorn|kprobe\b|breakpoint", re.sub(r'"""(?s:.*?)"""', "", text))
