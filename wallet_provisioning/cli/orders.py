"""What the commands that give standing orders share.

They write to the store, as `provision` does, and ask no daemon: an order is a row that every daemon
reads, so it can be given while none runs, and it holds from the first moment of the next one.
"""

from collections.abc import Callable, Mapping

from wallet_provisioning.cli.opening import open_store
from wallet_provisioning.cli.output import say, show_json, show_line, show_table
from wallet_provisioning.http.api import views
from wallet_provisioning.settings import StoreSettings
from wallet_provisioning.store.controls import Order, read_orders_of
from wallet_provisioning.store.transaction import Transaction

JSON_HELP = "Write the API's object of all standing orders."


def give(
    environ: Mapping[str, str], what: str, steps: Callable[[Transaction], Order | None], *, as_json: bool
) -> Order | None:
    """Carry an order out in one transaction, and show those that stand then."""
    settings = StoreSettings.load(environ)
    say(*(notice.text for notice in settings.notices))
    with open_store(settings) as database, database.write("cli", what) as tx:
        given = steps(tx)
        orders = read_orders_of(tx)
    show_orders(orders, as_json=as_json)
    return given


def show_orders(orders: tuple[Order, ...], *, as_json: bool) -> None:
    """Write the standing orders to stdout."""
    if as_json:
        show_json({**views.controls_json(orders)})
    elif not orders:
        show_line("no standing orders")
    else:
        show_table(
            ("order", "of", "state", "until", "by", "reason"),
            [
                (
                    order.kind,
                    order.subject,
                    order.state.value,
                    "withdrawn" if order.until is None else order.until.isoformat(timespec="seconds"),
                    order.placed_by,
                    order.reason,
                )
                for order in orders
            ],
        )
