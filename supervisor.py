"""Starts the program from any directory: `python supervisor.py daemon`.

Installed, the same program is `wallet-provisioning` or `python -m wallet_provisioning`.
"""

import sys

from wallet_provisioning.cli import main

if __name__ == "__main__":
    sys.exit(main())
