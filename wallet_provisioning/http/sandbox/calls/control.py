"""The sandbox's own calls, without a key: faults on order, and the state for audits.

They are why a sandbox belongs on loopback or in a closed network.
"""

from aiohttp import web

from wallet_provisioning.http.sandbox.answers import answer, body_of
from wallet_provisioning.http.sandbox.audit import picture
from wallet_provisioning.http.sandbox.contract import read
from wallet_provisioning.http.sandbox.faults import FaultPlan
from wallet_provisioning.http.sandbox.keys import FAULTS, GATES, STATE
from wallet_provisioning.http.sandbox.networks import World


async def put_faults(request: web.Request) -> web.Response:
    """Put these faults in force instead of all others, whose held calls go on."""
    plan = read(FaultPlan, await body_of(request))
    request.app[FAULTS].replace(plan.faults, plan.seed)
    request.app[GATES].open_all()
    return answer(request.app[FAULTS].body())


async def get_faults(request: web.Request) -> web.Response:
    """Return the faults in force and how often each has hit."""
    return answer(request.app[FAULTS].body())


async def delete_faults(request: web.Request) -> web.Response:
    """End all faults; held calls go on."""
    request.app[FAULTS].replace(())
    request.app[GATES].open_all()
    return answer(request.app[FAULTS].body())


async def get_gates(request: web.Request) -> web.Response:
    """Return how many calls each gate holds, and how many went on there."""
    return answer(request.app[GATES].body())


async def open_gate(request: web.Request) -> web.Response:
    """Let go the calls that a gate holds; a gate without any is opened in vain."""
    request.app[GATES].open(request.match_info["gate"])
    return answer(request.app[GATES].body())


async def get_state(request: web.Request) -> web.Response:
    """Return the counts of both worlds, and every (refId, blockchain) with the ids of its wallets."""
    state = request.app[STATE]
    return answer({"environments": {world.value: picture(state.books(world)) for world in World}})


ROUTES = (
    web.put("/sandbox/faults", put_faults),
    web.get("/sandbox/faults", get_faults, allow_head=False),
    web.delete("/sandbox/faults", delete_faults),
    web.get("/sandbox/gates", get_gates, allow_head=False),
    web.delete("/sandbox/gates/{gate}", open_gate),
    web.get("/sandbox/state", get_state, allow_head=False),
)
