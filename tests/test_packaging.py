"""What is shipped is what is in the repository, and it installs and imports.

Which module may import which is in `test_imports.py`. Each check is shown to notice a
fault.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import torchlean_jax

ROOT = Path(__file__).parent.parent
ROOMS = [
    room
    for room in ("domains", "interpreters", "pallas_kernels")
    if (ROOT / room).is_dir()
]
PACKAGES = ["torchlean_jax", "torchlean_check", "torchlean_pytest"]


def run(*command, cwd=ROOT, **environment):
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def output_of(*command, **options):
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_repository():
    """Every file that git tracks or would track, links included."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of files to compare with")
    listing = output_of("git", "ls-files", "-z", "-co", "--exclude-standard")
    return {path for path in listing.split("\0") if path and os.path.lexists(path)}


def files_of(paths):
    return {path for path in paths if not (ROOT / path).is_symlink()}


def wheel_paths(files):
    """Where each file of the repository belongs in the wheel."""
    prefix = dict.fromkeys(PACKAGES, PurePosixPath()) | dict.fromkeys(
        ROOMS, PurePosixPath("torchlean_jax")
    )
    rooms = {path: PurePosixPath(path).parts[0] for path in files}
    return {str(prefix[top] / path) for path, top in rooms.items() if top in prefix}


def in_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names)), "a file was packed twice"
    return {name for name in names if ".dist-info/" not in name}


def in_sdist(sdist):
    with tarfile.open(sdist) as archive:
        names = [PurePosixPath(member.name) for member in archive.getmembers()]
    inside = {str(PurePosixPath(*name.parts[1:])) for name in names}
    return inside - {"PKG-INFO"}


def build(source, out, *formats):
    output_of(
        *(sys.executable, "-m", "build", "--no-isolation", *formats),
        *("--outdir", out, source),
    )
    return {path.suffix: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel built from it."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_wheel_of_the_checkout_holds_the_packages_and_nothing_else(tmp_path):
    expected = wheel_paths(files_of(in_repository()))
    wheel = build(ROOT, tmp_path, "--wheel")[".whl"]
    assert in_wheel(wheel) == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= expected


def test_the_sdist_holds_the_repository_and_makes_the_same_wheel(built):
    files = files_of(in_repository())
    assert in_sdist(built[".gz"]) == files
    assert in_wheel(built[".whl"]) == wheel_paths(files)


def test_a_broken_recipe_is_noticed(tmp_path):
    """Without its `force-include` a room is missing, and nothing else would say so."""
    line = '"domains" = "torchlean_jax/domains"'
    source = tmp_path / "source"
    for path in in_repository():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path, follow_symlinks=False)
    recipe = source / "pyproject.toml"
    assert line in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(line, ""))
    wheel = build(source, tmp_path / "dist", "--wheel")[".whl"]
    assert in_wheel(wheel) != wheel_paths(files_of(in_repository()))


IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
site = sys.argv[1]
count = 0
for name in ["torchlean_jax", "torchlean_check", "torchlean_pytest"]:
    package = importlib.import_module(name)
    assert package.__file__.startswith(site), package.__file__
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            count += 1
print(count)
"""


@pytest.mark.parametrize("suffix", [".whl", ".gz"])
def test_every_module_imports_from_an_installation(built, tmp_path, suffix):
    site = tmp_path / "site"
    output_of(
        *(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"),
        *("--no-build-isolation", "--target", site, built[suffix]),
    )
    elsewhere = {"cwd": tmp_path, "PYTHONPATH": str(site)}
    modules = output_of(sys.executable, "-c", IMPORT_EVERYTHING, site, **elsewhere)
    sources = [path for path in in_wheel(built[".whl"]) if path.endswith(".py")]
    mains = [path for path in sources if path.endswith("__main__.py")]
    assert int(modules) == len(sources) - len(mains) - len(PACKAGES)
    plugins = output_of(sys.executable, "-m", "pytest", "--help", **elsewhere)
    assert "--torchlean-claims" in plugins  # by its entry point, not by `-p`


@pytest.mark.smoke
def test_the_commands_exist():
    found = importlib.metadata.distribution("torchlean-jax").entry_points
    commands = found.select(group="console_scripts")
    assert {command.name for command in commands} == {"torchlean", "torchlean-check"}
    for command in commands:
        assert callable(command.load())


@pytest.mark.smoke
def test_the_version_is_said_once():
    installed = importlib.metadata.version("torchlean-jax")
    assert installed == torchlean_jax.__version__
    assert f"\n## {installed}" in (ROOT / "CHANGELOG.md").read_text()


def refuses(room, root):
    done = run(sys.executable, "-c", f"import {room}", cwd=root, PYTHONPATH=str(root))
    return done.returncode != 0 and f"from torchlean_jax.{room}" in done.stderr


@pytest.mark.smoke
@pytest.mark.parametrize("room", ROOMS)
def test_a_bare_import_of_a_room_is_refused(room):
    """It would make a second copy of every class, and `isinstance` would fail."""
    assert refuses(room, ROOT)


def test_a_room_without_its_guard_is_noticed(tmp_path):
    (tmp_path / "domains").mkdir()
    (tmp_path / "domains" / "__init__.py").touch()
    assert not refuses("domains", tmp_path)


@pytest.mark.smoke
@pytest.mark.parametrize("room", ROOMS)
def test_the_symlink_of_a_room_leads_to_it(room):
    """A checkout without symlinks (Windows, by default) holds a text file there."""
    assert (ROOT / "torchlean_jax" / room / "__init__.py").samefile(
        ROOT / room / "__init__.py"
    )
