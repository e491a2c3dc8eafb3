"""The settings: read from the environment, checked all at once, never changed afterwards.

Only the top of the program reads them; each part takes a small options object of its own. An `.env`
file is not read: what starts the program sets its environment. The table in `variables` is plain
dataclass fields, not pydantic-settings, since a wrong setting must be told in one line of our own and
names that nobody declared must be judged too.
"""

from wallet_provisioning.settings.circle import RealCircle, SandboxCircle
from wallet_provisioning.settings.errors import SettingsError
from wallet_provisioning.settings.settings import Settings, StoreSettings
from wallet_provisioning.settings.variables import NAMES, Variables

__all__ = [
    "NAMES",
    "RealCircle",
    "SandboxCircle",
    "Settings",
    "SettingsError",
    "StoreSettings",
    "Variables",
]
