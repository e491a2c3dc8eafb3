"""Starts the program: `python -m wallet_provisioning COMMAND`."""

import sys

from wallet_provisioning.cli import main

if __name__ == "__main__":
    sys.exit(main())
