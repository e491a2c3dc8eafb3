"""What `pip install` brings: the package whole, its command, and no module named `supervisor`."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wallet_provisioning"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=100)  # our own command line
    return ZipFile(next(folder.glob("*.whl")))


def test_it_installs_one_package_and_nothing_beside_it(wheel: ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}
    assert tops == {"wallet_provisioning"}


def test_it_brings_every_file_of_the_package(wheel: ZipFile) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= set(wheel.namelist())


def test_it_is_typed_and_brings_its_migrations(wheel: ZipFile) -> None:
    names = wheel.namelist()
    assert "wallet_provisioning/py.typed" in names
    assert any(name.startswith("wallet_provisioning/migrations/versions/") for name in names)


def test_it_installs_the_command(wheel: ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "wallet-provisioning = wallet_provisioning.cli:main" in wheel.read(entry_points).decode()
