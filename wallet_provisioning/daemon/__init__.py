"""The running program: opens everything in order, closes it in reverse."""

from wallet_provisioning.daemon.daemon import Daemon
from wallet_provisioning.daemon.run import run_daemon

__all__ = ["Daemon", "run_daemon"]
