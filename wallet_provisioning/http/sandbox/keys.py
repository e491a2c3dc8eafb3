"""The typed keys under which the app and its requests hold their parts."""

from aiohttp import web

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.sandbox.access import Access
from wallet_provisioning.http.sandbox.faultkinds import Fault
from wallet_provisioning.http.sandbox.faults import Faults
from wallet_provisioning.http.sandbox.gates import Gates
from wallet_provisioning.http.sandbox.limits import Limits
from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.secret import KeyPair
from wallet_provisioning.http.sandbox.state import State
from wallet_provisioning.http.sandbox.writes import WriteService
from wallet_provisioning.telemetry.events import Emit

OPTIONS = web.AppKey("options", SandboxOptions)
CLOCK: web.AppKey[Clock] = web.AppKey("clock")
EMIT: web.AppKey[Emit] = web.AppKey("emit")
STATE = web.AppKey("state", State)
KEY_PAIR = web.AppKey("key_pair", KeyPair)
WRITES = web.AppKey("writes", WriteService)
FAULTS = web.AppKey("faults", Faults)
GATES = web.AppKey("gates", Gates)
LIMITS = web.AppKey("limits", Limits)
ACCESS = web.AppKey("access", Access)

WORLD = web.RequestKey("world", World)
DRAWN: web.RequestKey[tuple[Fault, ...]] = web.RequestKey("drawn")
