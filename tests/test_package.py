"""What is installed: a wheel, and one out of the source package, each in a new environment and used from elsewhere."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OWN = """
from trapline import Kprobe, Lab, register_kprobe, run_guest, unregister_kprobe

def mine(lab: Lab):
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, probe))
    return {"cpu0": run_guest(lab.cpus[0]), "cpu1": unregister_kprobe(lab.kernel, probe)}
"""
RACE = ("unregister_vs_hit", "--arch", "riscv", "--patching", "live")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what git knows of, so that nothing is built in the checkout."""
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip(f"setuptools {version('setuptools')}: 77 is the first that reads pyproject.toml's license")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if files.returncode:
        pytest.skip("no git checkout")
    folder = tmp_path_factory.mktemp("source")
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built(source, tmp_path_factory.mktemp("wheel"))


def built(source, folder):
    """The wheel of a source package or folder, without a network."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(source)], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "eprecat" not in done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


def environment(folder, *options):
    """A new environment that has trapline, and beside it the libraries that are installed here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    where = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    )
    libraries = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (Path(where.stdout.strip()) / "libraries.pth").write_text("\n".join(libraries))
    install = ["install", "--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed", "--quiet"]
    quiet = {**clean(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([python, "-m", "pip", *install, *options], capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    return folder


def clean():
    """The environment without the tests' own path."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


@pytest.fixture(scope="module", params=["wheel", pytest.param("editable", marks=pytest.mark.exhaustive)])
def installed(request, source, wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return environment(folder, *([str(wheel)] if request.param == "wheel" else ["--editable", str(source)]))


def called(installed, folder, *arguments, program="trapline", status=0):
    done = subprocess.run(
        [installed / "bin" / program, *arguments], cwd=folder, env=clean(), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


def test_one_command_of_each_kind_from_another_folder(installed, tmp_path):
    def trapline(*arguments, status=0):
        return json.loads(called(installed, tmp_path, *arguments, "--json", status=status))

    (tmp_path / "own.py").write_text(OWN)
    assert [arch["name"] for arch in trapline("list", "archs")["archs"]] == sorted(
        path.parent.name for path in ROOT.glob("arches/*/__init__.py")
    )
    assert trapline("explore", *RACE)["outcomes"]["oops"]["frequency"] == "sometimes"
    assert trapline("explore", "own.py::mine", *RACE[1:])["outcomes"]["oops"]["frequency"] == "sometimes"
    assert "hit" in trapline("run", *RACE)["outcomes"]
    assert len(trapline("compare", "foreign_break", "--arch", "mips", "arm64", "--variant", "seed")["cells"]) == 8
    assert trapline("decide", "recheck", "--arch", "riscv", "--patching", "live")["verdicts"][0]["verdict"] == "needed"
    assert trapline("opcode", "riscv", "0x00000073")["instructions"][0]["text"] == "ecall"
    assert trapline("step", "csky", "0x6c03", "--reg", "r0=5", "--reg", "r3=7")["word"] == "0x6c03"
    assert trapline("sweep", "x86", "--list", "1")["complete"]
    assert trapline("transparent", "mips", "--count", "20", "--row", "jr")["encodings"]
    image = str(ROOT / "firmware" / "arm64.elf")
    assert trapline("probe-all", image, "leaf_add", "5", "--arch", "arm64")["same"]


def test_the_import_package(installed, tmp_path):
    code = "import trapline; print(trapline.explore('foreign_break', 'mips', cpus=1).frequency('passed-on'))"
    assert called(installed, tmp_path, "-c", code, program="python") == "always\n"
    assert "riscv" in called(installed, tmp_path, "-m", "trapline", "list", "archs", program="python")


def test_a_folder_of_the_same_name_where_it_is_called_is_not_imported(installed, tmp_path):
    for name in ("emu", "arches", "firmware", "trapline", "random"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')\n")
    assert "riscv" in called(installed, tmp_path, "list", "archs")


def test_what_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"emu", "arches", "trapline"}
    assert {"emu/py.typed", "arches/py.typed", "trapline/py.typed", "trapline/__main__.py"} <= set(names)
    assert not any(name.startswith("emu/api/") for name in names)
    for path in (*ROOT.glob("arches/*/*.rules"), *ROOT.glob("arches/*/*.decode")):
        assert str(path.relative_to(ROOT)) in names
    for path in ROOT.glob("firmware/*.elf"):
        assert f"emu/firmware/{path.name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_package_makes_the_same_wheel(source, wheel, tmp_path):
    code = "from setuptools.build_meta import build_sdist; build_sdist('.')"
    name = shutil.copytree(source, tmp_path / "copy")
    done = subprocess.run([sys.executable, "-c", code], cwd=name, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = name.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        inside = {one.partition("/")[2] for one in opened.getnames()}
    assert {"LICENSE", "README.md", "firmware/riscv.S", "tests/conftest.py", "tools/trapline"} <= inside
    (tmp_path / "again").mkdir()
    again = built(archive, tmp_path / "again")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_the_licence_is_the_one_that_is_named():
    text = (ROOT / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in text and "Version 2, June 1991" in text
