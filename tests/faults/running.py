"""One fault from the first word to the verdict."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from statistics import median
from typing import Any

from tests.faults.cluster import Cluster
from tests.faults.faults import Fault, Field
from tests.faults.history import Verdict, Violation, check
from tests.faults.lines import DROPPED, NOT_A_MEMBER
from tests.faults.tabs import Person, Tab
from tests.servers import until

ONLINE_WITHIN_S = 40.0
RECOVER_WITHIN_S = 40.0
SETTLE_WITHIN_S = 30.0
TAKE_TURNS_S = 0.5  # in which all write something after the fault


@dataclass
class Plan:
    """How much is said, by how many, for how long."""

    seed: str
    rooms: int = 4
    tabs: int = 24
    load_s: float = 1.0  # before the fault, and at least as long after it
    pause_s: float = 0.4  # between two messages of a tab, on average
    scale: float = 0.25  # of what a fault repeats


@dataclass
class Outcome:
    """A row of the table."""

    fault: str
    text: str
    verdict: Verdict
    recovered_s: list[float] = field(default_factory=list)  # for each tab
    # From the acknowledgement until somebody was told who had a line all that time.
    delays_s: list[float] = field(default_factory=list)
    closes: Counter[int] = field(default_factory=Counter)  # lines that were cut, by close code
    dropped: int = 0  # lines that the fault itself has cut at the client's end
    unwelcome: int = 0  # tries to connect that failed

    def __str__(self) -> str:
        verdict, delays = self.verdict, sorted(self.delays_s) or [0.0]
        recovered = self.recovered_s or [float("inf")]
        kinds = Counter(violation.kind for violation in verdict.violations)
        return ", ".join(
            [
                f"{self.fault}: {verdict.acknowledged:,} acknowledged",
                f"{verdict.delivered:,} of {verdict.owed:,} delivered",
                " ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing wrong",
                f"well after {median(recovered):.1f} s, at most {max(recovered):.1f} s",
                f"told after {median(delays):.2f} s, 99 % within {delays[int(len(delays) * 0.99)]:.2f} s,"
                f" all within {delays[-1]:.2f} s",
                f"lines cut {dict(self.closes)}, dropped {self.dropped}, tries failed {self.unwelcome}",
            ]
        )


class Run:
    """People in rooms of their own, for one fault."""

    def __init__(self, fault: Fault, cluster: Cluster, plan: Plan) -> None:
        self.fault, self.cluster, self.plan = fault, cluster, plan
        self.random = Random(f"{plan.seed} {fault.name}")
        self.slugs = [f"{fault.name}-{number}" for number in range(plan.rooms)]
        self.ports = [web.port for web in cluster.webs]
        if fault.goes_by_proxy:
            self.ports = [line.port for line in cluster.lines]
        self.tabs: list[Tab] = []
        self.outsiders: list[Tab] = []
        self.troubles: list[Violation] = []  # beside what the records show
        self.recovered: dict[Tab, float] = {}  # how long after the end of the fault

    @property
    def staying(self) -> list[Tab]:
        """The tabs of those who are members to the end."""
        return [tab for tab in self.tabs if tab.record.is_owed]

    @property
    def leaving(self) -> list[Tab]:
        """The tabs of those who are not, or never were."""
        return [tab for tab in [*self.tabs, *self.outsiders] if not tab.record.is_owed]

    async def carry_out(self) -> Outcome:
        """Let them talk, strike, let them recover, and judge."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note)
        await asyncio.to_thread(self._settle_in)
        living = [asyncio.create_task(tab.live()) for tab in [*self.tabs, *self.outsiders]]
        talking: list[asyncio.Task[None]] = []
        try:
            await self._all(lambda tab: tab.is_online, ONLINE_WITHIN_S, "online")
            for tab in self.tabs:
                tab.record.closes.clear()
                tab.record.unwelcome = 0
            talking = [asyncio.create_task(tab.talk(self.plan.pause_s)) for tab in self.tabs]
            await asyncio.sleep(self.plan.load_s)
            await self.fault.strike(Field(self.cluster, self.tabs, self.random, self.plan.scale))
            ended = loop.time()
            for tab in self.tabs:
                loop.call_later(self.random.random() * TAKE_TURNS_S, tab.write)
            await self._all(self.recovered.__contains__, RECOVER_WITHIN_S, "well", partial(self._look, ended))
            await asyncio.sleep(max(0, ended + self.plan.load_s - loop.time()))
            await self._stop(talking)
            await self._settle()
        except TimeoutError as error:
            self.troubles.append(Violation("lost", str(error)))
        finally:
            await self._stop(talking)
            await self._stop(living)
        return await asyncio.to_thread(self._judge)

    def _settle_in(self) -> None:
        """
        Make people and rooms, and open a tab for each membership.

        Everybody is in one room, every third in a second, too, and some have theirs open twice. A stranger, who is in
        no room, knocks at each.
        """
        *people, stranger = self.cluster.world.people(self.fault.name, self.plan.tabs * 5 // 8 + 1)
        places: list[tuple[Person, str]] = []
        for number, person in enumerate(people):
            home = number % len(self.slugs)
            places.append((person, self.slugs[home]))
            if number % 3 == 0:
                places.append((person, self.slugs[home - 1]))
        for slug in self.slugs:
            self.cluster.world.room(slug, [person.id for person, room in places if room == slug])
        places += self.random.sample(places, self.plan.tabs - len(places))
        self.tabs = [self._tab(f"{slug}/{number}", person, slug) for number, (person, slug) in enumerate(places)]
        self.outsiders = [self._tab(f"stranger/{slug}", stranger, slug) for slug in self.slugs]
        for outsider in self.outsiders:
            outsider.record.is_owed = False

    def _judge(self) -> Outcome:
        everybody = [*self.tabs, *self.outsiders]
        for tab in everybody:
            tab.record.shown = list(tab.timeline.messages.values())
        verdict = check([tab.record for tab in everybody], self.cluster.world.stored(self.slugs))
        wrong = verdict.violations
        wrong += self.troubles
        for tab in self.leaving:
            if tab.closed_for_good != NOT_A_MEMBER:
                wrong.append(Violation("leaked", f"The line of {tab}, who is no member, was not closed."))
        outcome = Outcome(self.fault.name, self.fault.text, verdict, list(self.recovered.values()), self._delays())
        for tab in self.staying:
            outcome.closes += tab.record.closes
            outcome.unwelcome += tab.record.unwelcome
        outcome.dropped = outcome.closes.pop(DROPPED, 0)
        if self.fault.keeps_lines and (outcome.closes or outcome.unwelcome):
            cut = f"Lines were cut: {dict(outcome.closes)} by code; {outcome.unwelcome} tries to connect failed."
            wrong.append(Violation("cut", cut))
        return outcome

    def _tab(self, name: str, person: Person, slug: str) -> Tab:
        return Tab(name, person, slug, self.ports, Random(f"{self.plan.seed} {name}"))

    def _look(self, ended: float) -> None:
        """Note which tabs have had something stored, and been told something, that was written since the end."""
        written = {key for tab in self.tabs for key, at in tab.record.posted.items() if at >= ended}
        for tab in self.tabs:
            if tab in self.recovered:
                continue
            record = tab.record
            own = [at for client_id, (at, _) in record.acknowledged.items() if client_id in written]
            told = [
                telling.at
                for telling in record.told
                if telling.at >= ended
                and any(state.client_id in written and state.author != record.person for state in telling.states)
            ]
            if own and told:
                self.recovered[tab] = max(own[0], told[0]) - ended

    async def _settle(self) -> None:
        """Nothing more is said: return when every tab has everything, and who is no member has been sent away."""
        with suppress(TimeoutError):  # the verdict says who has not
            await until(lambda: all(tab.closed_for_good for tab in self.leaving), timeout_s=SETTLE_WITHIN_S)
        await self._all(lambda tab: tab.is_online and not tab.outbox, SETTLE_WITHIN_S, "without drafts")
        known, heads = None, await asyncio.to_thread(self.cluster.world.heads, self.slugs)
        while known != heads:
            known = heads
            await self._all(partial(_is_at, known), SETTLE_WITHIN_S, f"up to date with {known}")
            heads = await asyncio.to_thread(self.cluster.world.heads, self.slugs)
        await asyncio.gather(*(tab.scroll_up() for tab in self.staying))

    async def _all(
        self, holds: Callable[[Tab], Any], timeout_s: float, what: str, look: Callable[[], None] = lambda: None
    ) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not all(holds(tab) for tab in self.staying):
                    await asyncio.sleep(0.05)
                    look()
        except TimeoutError:
            left = [f"{tab} (head {tab.timeline.head})" for tab in self.staying if not holds(tab)]
            raise TimeoutError(f"Not {what} within {timeout_s} s: {', '.join(left)}.") from None

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                self.troubles.append(Violation("untrue", f"A tab failed: {ended!r}"))
        tasks.clear()

    def _delays(self) -> list[float]:
        stored = {key: at for tab in self.tabs for key, (at, _) in tab.record.acknowledged.items()}
        delays = []
        for tab in self.tabs:
            if tab.is_slow:
                continue
            known = set()
            for telling in tab.record.told:
                for state in telling.states:
                    if state.author != tab.record.person and state.client_id not in known:
                        known.add(state.client_id)
                        since = stored.get(state.client_id, telling.at)
                        if any(
                            start <= since and telling.at <= (*end, telling.at)[0] for start, *end in tab.record.online
                        ):
                            delays.append(max(0.0, telling.at - since))
        return delays

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or context["message"]
        self.troubles.append(Violation("untrue", f"A tab failed: {error!r}"))


def _is_at(heads: dict[str, int], tab: Tab) -> bool:
    return tab.timeline.head == heads[tab.record.room]
