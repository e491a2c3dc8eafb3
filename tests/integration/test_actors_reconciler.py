from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from tests.support_actors import REFUSED, Production
from tests.support_reconcile import Shelf, stamp
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.listing import Order, WalletPage
from wallet_provisioning.jobs.listed import ListedWallet
from wallet_provisioning.reconcile.options import GetOne, ListPage
from wallet_provisioning.store.behind import read_hold
from wallet_provisioning.store.reconciliation import begin_run, read_standing
from wallet_provisioning.telemetry.events import Reconciled

EVERY = timedelta(minutes=2)


class FakeReader:
    """Answers from a shelf; while `is_away` every call fails."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.is_away = False

    async def list_wallets(
        self, wallet_set_id: UUID, *, after: UUID | None = None, order: Order = "ASC"
    ) -> WalletPage | CallFailed:
        assert order == "ASC"
        page = self.shelf.answer(ListPage(wallet_set_id=wallet_set_id, after=after))
        assert isinstance(page, WalletPage)
        return REFUSED if self.is_away else page

    async def get_wallet(self, circle_wallet_id: UUID) -> ListedWallet | CallFailed | None:
        found = self.shelf.answer(GetOne(circle_wallet_id=circle_wallet_id))
        assert found is None or isinstance(found, ListedWallet)
        return found


@contextmanager
def house(folder: Path, reader: FakeReader, interval: timedelta = EVERY) -> Iterator[Production]:
    with Production(folder, reader=reader, reconcile_every=interval) as tree:
        stamp(tree.database)
        yield tree


def runs(tree: Production) -> list[Reconciled]:
    return tree.events.of(Reconciled)


def test_it_reconciles_once_an_interval_and_mends_nothing(tmp_path: Path) -> None:
    reader = FakeReader()
    for _ in range(5):
        reader.shelf.add(uuid4())
    with house(tmp_path, reader) as tree:
        tree.pass_time(0.9 * EVERY)
        assert runs(tree) == []
        tree.until(lambda: len(runs(tree)) == 1, within=EVERY)
        (run,) = runs(tree)
        assert (run.at_circle, run.found, run.kinds, run.hold) == (5, 5, "unclaimed 5", "placed")
        with tree.database.read() as connection:
            assert read_hold(connection) is not None
            assert read_standing(connection).findings["unclaimed"] == 5
        tree.until(lambda: len(runs(tree)) == 2, within=2 * EVERY)
        assert runs(tree)[1].hold is None
        assert tree.troubles() == []


def test_another_daemons_run_counts_for_all(tmp_path: Path) -> None:
    reader = FakeReader()
    with house(tmp_path, reader) as tree:
        with tree.database.write("another", "begin") as tx:
            begin_run(tx, holder=uuid4(), lease=2 * EVERY)
        tree.pass_time(1.5 * EVERY)
        assert reader.shelf.asked == []
        tree.until(lambda: len(runs(tree)) == 1, within=2 * EVERY)


def test_a_crash_in_the_middle_of_a_run_loses_that_run_alone(tmp_path: Path) -> None:
    reader = FakeReader()
    for _ in range(5):
        reader.shelf.add(uuid4())
    with house(tmp_path, reader) as tree:
        tree.until(lambda: bool(reader.shelf.asked), within=2 * EVERY)
        tree.kill("reconciler")
        assert runs(tree) == []
        tree.until(lambda: len(runs(tree)) == 1, within=EVERY)
        assert runs(tree)[0].at_circle == 5
        assert tree.troubles() == []


def test_a_circle_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    reader = FakeReader()
    reader.is_away = True
    with house(tmp_path, reader) as tree:
        tree.until(lambda: len(reader.shelf.asked) == 2, within=2 * EVERY)
        reader.is_away = False
        tree.until(lambda: len(runs(tree)) == 1, within=2 * EVERY)
        assert tree.troubles() == []


def test_a_stop_gives_the_run_up_for_the_next_daemon(tmp_path: Path) -> None:
    reader = FakeReader()
    for _ in range(5):
        reader.shelf.add(uuid4())
    with house(tmp_path, reader) as tree:
        tree.until(lambda: bool(reader.shelf.asked), within=2 * EVERY)
        tree.root.stop_one("reconciler")
        tree.pass_time(timedelta(seconds=1))
        with tree.database.write("another", "begin") as tx:
            begin_run(tx, holder=uuid4(), lease=EVERY)


def test_without_an_interval_there_is_no_reconciler(tmp_path: Path) -> None:
    with house(tmp_path, FakeReader(), timedelta()) as tree:
        assert "reconciler" not in [view.path for view in tree.root.views()]
