"""Plans, and the agenda that carries them out; `act` is a notebook here, no actor is started."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.supervision import plans
from wallet_provisioning.supervision.agenda import Agenda
from wallet_provisioning.supervision.plans import Plan, Step, Verb

_NAMES = ["a", "b", "c", "d"]
_names = st.lists(st.sampled_from(_NAMES), unique=True)


class Notebook:
    """Notes what is asked, and says that it is done for those named so."""

    def __init__(self, *done_at_once: tuple[Verb, str]) -> None:
        self.asked: list[tuple[Verb, str]] = []
        self.pauses: list[Plan] = []
        self.done_at_once = set(done_at_once)
        self.agenda = Agenda(self._act)

    def _act(self, plan: Plan, step: Step, child: str) -> bool:
        self.asked.append((step.verb, child))
        if step.verb is Verb.PAUSE:
            self.pauses.append(plan)
        return (step.verb, child) in self.done_at_once


START, STOP, PAUSE = Verb.START, Verb.STOP, Verb.PAUSE


def steps(plan: Plan) -> list[tuple[Verb, set[str]]]:
    return [(step.verb, set(step.open)) for step in plan.steps]


# What plans consist of.


def test_a_boot_starts_one_after_the_other() -> None:
    assert steps(plans.boot(["a", "b"])) == [(START, {"a"}), (START, {"b"})]
    assert plans.boot(["a"]).is_boot


def test_a_boot_first_waits_for_those_that_a_predecessor_was_stopping() -> None:
    assert steps(plans.boot(["a", "b"], ["a", "b"])) == [
        (STOP, {"b"}),
        (STOP, {"a"}),
        (START, {"a"}),
        (START, {"b"}),
    ]


def test_a_shutdown_goes_backwards_or_takes_all_together() -> None:
    assert steps(plans.shutdown(["a", "b"], together=False)) == [(STOP, {"b"}), (STOP, {"a"})]
    assert steps(plans.shutdown(["a", "b"], together=True)) == [(STOP, {"a", "b"})]
    assert steps(plans.shutdown([], together=True)) == []


def test_a_restart_stops_backwards_pauses_and_starts_forwards() -> None:
    plan = plans.restart(["a", "b", "c"], ["b", "c"], timedelta(seconds=1))

    assert [verb for verb, _ in steps(plan)] == [STOP, STOP, PAUSE, START, START, START]
    assert [children for _, children in steps(plan)] == [{"c"}, {"b"}, {"a"}, {"a"}, {"b"}, {"c"}]


def test_a_restart_without_delay_has_no_pause() -> None:
    assert steps(plans.restart(["a"], [], timedelta())) == [(START, {"a"})]


# How they go on.


def test_the_next_step_is_taken_up_when_the_one_under_way_is_done() -> None:
    book = Notebook()
    book.agenda.begin(plans.boot(["a", "b"]))
    assert book.asked == [(START, "a")]
    assert book.agenda.is_booting

    assert book.agenda.done("a", START)
    assert book.asked == [(START, "a"), (START, "b")]
    assert book.agenda.done("b", START)

    assert not book.agenda.is_booting


def test_a_report_that_no_step_waits_for_changes_nothing() -> None:
    book = Notebook()
    book.agenda.begin(plans.boot(["a", "b"]))

    assert not book.agenda.done("a", STOP)
    assert not book.agenda.done("b", START)
    assert book.asked == [(START, "a")]


def test_steps_that_are_done_at_once_are_passed_in_one_go() -> None:
    book = Notebook((STOP, "c"), (STOP, "b"))
    book.agenda.begin(plans.shutdown(["a", "b", "c"], together=False))

    assert book.asked == [(STOP, "c"), (STOP, "b"), (STOP, "a")]


def test_a_shared_step_ends_with_the_last_of_its_children() -> None:
    book = Notebook((STOP, "b"))
    book.agenda.begin(plans.shutdown(["a", "b", "c"], together=True))

    assert book.agenda.done("a", STOP)
    assert not book.agenda.done("a", STOP)
    assert book.agenda.done("c", STOP)
    assert not book.agenda.drop(_NAMES).starts


def test_one_report_moves_every_plan_that_waited_for_it() -> None:
    book = Notebook()
    book.agenda.begin(plans.boot(["a", "b"]))
    book.agenda.begin(plans.restart(["a"], [], timedelta()))

    book.agenda.done("a", START)

    assert book.asked == [(START, "a"), (START, "a"), (START, "b")]
    assert not book.agenda.will_start("a")


def test_a_pause_ends_by_its_own_timer_and_by_no_other() -> None:
    book = Notebook()
    book.agenda.begin(plans.restart(["a"], [], timedelta(seconds=1)))
    book.agenda.begin(plans.restart(["b"], [], timedelta(seconds=1)))
    first, second = book.pauses

    book.agenda.pause_over(second)

    assert book.asked[-1] == (START, "b")
    book.agenda.pause_over(second)
    assert book.asked.count((START, "b")) == 1
    book.agenda.pause_over(first)
    assert book.asked[-1] == (START, "a")


def test_a_timer_of_a_plan_that_was_dropped_does_nothing() -> None:
    book = Notebook()
    book.agenda.begin(plans.restart(["a"], [], timedelta(seconds=1)))
    book.agenda.clear()

    book.agenda.pause_over(book.pauses[0])

    assert book.asked == [(PAUSE, "a")]


def test_dropping_returns_what_would_still_have_been_started() -> None:
    book = Notebook()
    book.agenda.begin(plans.boot(["a", "b", "c"]))
    book.agenda.begin(plans.restart(["d"], [], timedelta()))
    book.agenda.done("a", START)

    dropped = book.agenda.drop(["b"])

    assert dropped.starts == frozenset({"b", "c"})
    assert dropped.is_boot
    assert book.agenda.will_start("d")
    assert not book.agenda.is_booting


def test_a_plan_is_not_dropped_for_a_child_that_it_is_done_with() -> None:
    book = Notebook()
    book.agenda.begin(plans.boot(["a", "b"]))
    book.agenda.done("a", START)

    assert book.agenda.drop(["a"]).starts == frozenset()
    assert book.agenda.boots("b")


def test_forgetting_a_child_lets_the_plan_go_on_with_the_others() -> None:
    book = Notebook()
    book.agenda.begin(plans.restart(["a", "b", "c"], [], timedelta()))

    book.agenda.forget("a")
    assert book.asked == [(START, "a"), (START, "b")]
    book.agenda.forget("c")
    book.agenda.done("b", START)

    assert book.asked == [(START, "a"), (START, "b")]
    assert not any(book.agenda.will_start(name) for name in _NAMES)


@given(order=_names.filter(bool), running=_names, pause=st.integers(0, 1), data=st.data())
def test_a_restart_asks_each_stop_before_any_start_and_each_once(
    order: list[str], running: list[str], pause: int, data: st.DataObject
) -> None:
    stopping = [name for name in order if name in running]
    at_once = [(verb, name) for verb in (START, STOP) for name in order if data.draw(st.booleans())]
    book = Notebook(*at_once)
    book.agenda.begin(plans.restart(order, stopping, timedelta(seconds=pause)))
    for _ in range(20):
        verb, child = book.asked[-1]
        if verb is PAUSE:
            book.agenda.pause_over(book.pauses[0])
        else:
            book.agenda.done(child, verb)

    wanted = [(STOP, name) for name in reversed(stopping)]
    wanted += [(PAUSE, order[0])] if pause else []
    wanted += [(START, name) for name in order]
    assert book.asked == wanted
    assert book.agenda.drop(_NAMES).starts == frozenset()
