"""The environments of the peers: made by `uv` under the user's cache, with pinned versions."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "wallet-provisioning-benchmarks"
_LONGEST = 600


class PeerMissingError(Exception):
    """A peer's environment could not be made here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a peer runs on."""

    name: str
    python: str
    packages: tuple[str, ...]

    def interpreter(self) -> Path:
        """Return the environment's Python, made at the first call. Raises `PeerMissingError`."""
        folder = _CACHE / self.name
        python = folder / "bin" / "python"
        mark = folder / "packages.txt"
        wanted = "\n".join((self.python, *self.packages))
        if not mark.exists() or mark.read_text() != wanted:
            _run("uv", "venv", "--quiet", "--clear", "--python", _python(self.python), str(folder))
            _run("uv", "pip", "install", "--quiet", "--python", str(python), *self.packages)
            mark.write_text(wanted)
        return python


def _python(version: str) -> str:
    """Return an interpreter of that version that lies beside ours; else `uv` may look for one."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python"))
    return str(beside[-1]) if beside else version


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LONGEST)  # noqa: S603 - ours
    except FileNotFoundError as error:
        msg = f"{command[0]} is not installed"
        raise PeerMissingError(msg) from error
    except subprocess.CalledProcessError as error:
        raise PeerMissingError(error.stderr.strip().splitlines()[-1][:200]) from error
    except subprocess.TimeoutExpired as error:
        msg = f"`{' '.join(command[:3])}` took too long"
        raise PeerMissingError(msg) from error


_COMMON = ("psycopg[binary]==3.3.9", "psycopg-pool==3.3.3", "httpx==0.28.1")
_LOOP = (*_COMMON, "uvloop==0.23.0")
OBAN = Environment(name="oban-0.7.0", python="3.13", packages=("oban==0.7.0", *_LOOP))
PGQUEUER = Environment(
    name="pgqueuer-1.6", python="3.13", packages=("pgqueuer==1.6.*", "asyncpg==0.32.*", *_LOOP)
)
DRAMATIQ = Environment(name="dramatiq-2.2", python="3.11", packages=("dramatiq[redis]==2.2.*", *_COMMON))
NOTIFY = Environment(name="notify", python="3.13", packages=_LOOP)
LIMIT = Environment(name="limit", python="3.11", packages=("psycopg[binary]==3.3.9",))
