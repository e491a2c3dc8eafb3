"""The command line. Each command is one module; `program` joins them and turns failures into exit codes."""

from wallet_provisioning.cli.program import main

__all__ = ["main"]
