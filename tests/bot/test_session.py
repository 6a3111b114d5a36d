"""What both clients share, without network: whatever is lost under way, everything arrives, in order, once in effect."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.bot.advisor import AbsentCode, is_absent
from arbml.bot.backlog import Backlog
from arbml.bot.link import Fault, Reply, Send, Talk
from arbml.bot.session import Session
from arbml.clock import FixedClock
from arbml.config import ClientConfig
from arbml.market import Recommendation
from tests.bot.net import execution, opportunity, told
from tests.serving.kit import NOW_MS, Stopwatch, tick

LATE = Fault(AbsentCode.SERVICE_LATE, "late")
BROKEN = Fault(AbsentCode.SERVICE_GONE, "broken", broken=True)
GONE = Fault(AbsentCode.SERVICE_GONE, "gone")


class Service:
    """Takes requests in, or not, and answers, or not, as a script says; sound once the script is over."""

    def __init__(self, script: list[str], watch: Stopwatch) -> None:
        self.script, self.watch = script, watch
        self.ticks: list[int] = []
        self.outcomes: list[str] = []
        self.newest = 0
        self.instance = 1

    def hold(self, talk: Talk[Any]) -> Any:
        try:
            send = next(talk)
            while True:
                send = talk.send(self.post(send))
        except StopIteration as over:
            return over.value

    def post(self, send: Send) -> Reply | Fault:
        self.watch.now_s += 0.01
        fate = self.script.pop() if self.script else "fine"
        if fate == "restart":
            self.instance, self.newest, self.ticks = self.instance + 1, 0, []
        if fate in ("gone", "restart"):
            return GONE
        if fate == "broken":
            return BROKEN
        asked = orjson.loads(send.body)
        if send.path == "/observe" and asked.get("instance") not in (None, str(self.instance)):
            error = {"code": "conflict", "field": "instance", "message": "started anew", "mend": ""}
            return Reply(409, orjson.dumps({"error": error}))
        self.take_in(send.path, asked)
        if fate == "answer lost":
            return BROKEN
        if fate == "answer late":
            self.watch.now_s = send.deadline_s
            return LATE
        return Reply(200, orjson.dumps({**told(send.path, send.body), "instance": str(self.instance)}))

    def take_in(self, path: str, asked: dict[str, Any]) -> None:
        for one in asked.get("ticks", []):
            if one["ts_ms"] > self.newest:  # a late tick changes nothing
                self.newest = one["ts_ms"]
                self.ticks.append(one["ts_ms"] - NOW_MS)
        if path == "/outcome" and asked["request_id"] not in self.outcomes:
            self.outcomes.append(asked["request_id"])


def made(script: list[str], **changes: Any) -> tuple[Session, Service, Stopwatch]:
    watch = Stopwatch()
    config = ClientConfig.model_validate({"breaker_pause_ms": 100, **changes})
    session = Session(config, FixedClock(NOW_MS), watch, strict=False)
    session.begin()
    return session, Service(script, watch), watch


FATES = st.lists(st.sampled_from(["fine", "gone", "broken", "answer lost", "answer late", "restart"]), max_size=60)


@settings(max_examples=200, deadline=None)
@given(script=FATES, steps=st.lists(st.sampled_from("oto"), min_size=1, max_size=30))
def test_whatever_is_lost_under_way_everything_arrives_in_order_once(script: list[str], steps: list[str]) -> None:
    session, service, watch = made(script)
    ticks, outcomes = 0, []
    for step in steps:
        if step == "t":
            session.take([tick(NOW_MS + ticks + i + 1, "cheap", 2000.0) for i in range(5)])
            ticks += 5
        else:
            outcomes.append(f"r{len(outcomes)}")
            session.note(execution(outcomes[-1]))
        service.hold(session.delivery.send_ticks(session.deadline_s()))
        service.hold(session.delivery.send_outcomes(session.deadline_s()))
        watch.now_s += 0.05
    service.script.clear()
    for _ in range(200):  # the service is back; each call does what it can in its time
        watch.now_s += 0.2
        session.take([tick(NOW_MS + ticks + 1, "cheap", 2000.0)])
        ticks += 1
        service.hold(session.delivery.send_ticks(session.deadline_s()))
        service.hold(session.delivery.send_outcomes(session.deadline_s()))
        if not session.delivery.outcomes and not session.delivery.ticks:
            break
    assert service.ticks == list(range(1, ticks + 1)), "as a service that was never gone knows them"
    assert service.outcomes == outcomes


@settings(max_examples=100, deadline=None)
@given(script=FATES, n=st.integers(1, 5))
def test_an_answer_is_the_services_or_absent_and_the_deadline_holds(script: list[str], n: int) -> None:
    session, service, watch = made(script)
    for round_ in range(20):
        started_s, deadline_s = watch(), session.deadline_s()
        questions = [(opportunity(i), f"r{round_}-{i}") for i in range(n)]
        found = service.hold(session.judge(questions, deadline_s, started_s, None))
        assert [one.request_id for one in found] == [f"r{round_}-{i}" for i in range(n)]
        assert all(is_absent(one) or one.recommendation is Recommendation.EXECUTE for one in found)
        assert watch() <= deadline_s + 0.02
        watch.now_s += 0.05
    stats = session.stats()
    assert stats["predictions"] == 20 * n
    assert sum(stats["absent"].values()) + stats["recommendations"].get("EXECUTE", 0) == 20 * n


def test_a_talk_that_is_given_up_leaves_the_probe_to_the_next() -> None:
    session, service, watch = made(["gone"] * 3)
    for n in range(3):
        service.hold(session.judge([(opportunity(n), f"r{n}")], session.deadline_s(), watch(), None))
    watch.now_s += 0.1
    talk = session.judge([(opportunity(), "given-up")], session.deadline_s(), watch(), None)
    next(talk)
    assert is_absent(service.hold(session.judge([(opportunity(), "x")], session.deadline_s(), watch(), None))[0])
    talk.close()
    assert not is_absent(service.hold(session.judge([(opportunity(), "y")], session.deadline_s(), watch(), None))[0])


def test_what_no_service_could_take_never_leaves() -> None:
    session, service, _ = made([])
    session.take([tick(NOW_MS + 10**9, "cheap", 1.0), tick(NOW_MS, "cheap", float("inf"))])
    assert (len(session.delivery.ticks), session.stats()["ticks"]["refused"]) == (0, 2)
    session.note(execution("bad id!"))
    assert (len(session.delivery.outcomes), session.stats()["outcomes"]["refused"]) == (0, 1)
    assert service.ticks == []


@given(size=st.integers(1, 8), steps=st.lists(st.tuples(st.sampled_from(["put", "take", "back"]), st.integers(0, 6)), max_size=30))
def test_a_backlog_keeps_order_numbers_and_bound(size: int, steps: list[tuple[str, int]]) -> None:
    backlog: Backlog[int] = Backlog(size)
    model: list[int] = []
    taken: list[int] = []
    made = 0
    for what, n in steps:
        if what == "put":
            backlog.put(range(made, made + n))
            model = [*model, *range(made, made + n)][-size:]
            made += n
            taken = []
        elif what == "take":
            number, items = backlog.head(n)
            assert items == model[:n]
            backlog.done(number + len(items))
            taken, model = [*taken, *model[:n]], model[n:]
        else:
            backlog.put_back(taken)
            model = [*taken, *model][-size:] if len(model) < size else model
            taken = []
        assert len(backlog) == len(model) <= size
        assert backlog.end - backlog.first == len(model)
        assert backlog.head(99)[1] == model


@pytest.mark.parametrize("n", [0, 1])
def test_numbers_of_before_take_nothing_off(n: int) -> None:
    backlog: Backlog[str] = Backlog(2)
    backlog.put("abcd")
    backlog.done(n)
    assert backlog.head(9) == (2, ["c", "d"])
