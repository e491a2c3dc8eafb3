"""Gates at which calls are held, so that a test can act at an exact point of their way."""

import asyncio
from collections import defaultdict


class Gates:
    """Holds calls until their gate is opened. Belongs to one event loop.

    Opening lets go all who wait there now; who comes later is held again.
    """

    def __init__(self) -> None:
        """Start with nobody held."""
        self._held: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._passed: defaultdict[str, int] = defaultdict(int)

    async def hold(self, gate: str) -> None:
        """Return once the gate was opened."""
        let_go = asyncio.get_running_loop().create_future()
        self._held[gate].add(let_go)
        try:
            await let_go
        finally:
            self._held[gate].discard(let_go)
        self._passed[gate] += 1

    def open(self, gate: str) -> None:
        """Let go whoever waits at a gate."""
        for let_go in self._held[gate]:
            if not let_go.done():
                let_go.set_result(None)

    def open_all(self) -> None:
        """Let go whoever waits anywhere."""
        for gate in list(self._held):
            self.open(gate)

    def body(self) -> dict[str, object]:
        """Return each gate as JSON: how many wait there, how many went on."""
        names = sorted({*self._held, *self._passed})
        shown = [
            {"gate": name, "held": len(self._held[name]), "passed": self._passed[name]} for name in names
        ]
        return {"gates": shown}
