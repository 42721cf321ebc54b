"""Whatever is lost, late or comes twice, between whichever steps: nobody misses a change for good."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .model import PAGE_SIZE
from .world import PACES, WAITS_S, World

clients = st.integers(0, 2)
kinds = st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=6)  # posts, and edits so far back
paces = st.sampled_from(PACES)


class Resume(RuleBasedStateMachine):
    """A hub that has a source, over a layer of which nothing can be expected."""

    world_of: dict[str, bool] = {}

    def __init__(self) -> None:
        super().__init__()
        self.world = World(**self.world_of)

    @initialize(posts=st.integers(1, 8), paces=st.tuples(paces, paces, paces))
    def begin(self, posts, paces):
        self.world.change([None] * posts, "now")
        self.world.restart(paces, [None], "soon")

    @rule(paces=st.tuples(paces, paces, paces), kinds=kinds, data=st.data())
    def restart(self, paces, kinds, data):
        self.world.restart(paces, kinds, data.draw(st.sampled_from(self.world.fates)))

    @rule(kinds=kinds, data=st.data())
    def change(self, kinds, data):
        self.world.change(kinds, data.draw(st.sampled_from(self.world.fates)))

    @rule(client=clients, data=st.data())
    def post(self, client, data):
        self.world.post(client, data.draw(st.sampled_from(self.world.fates)))

    @rule(index=st.integers(0, 20))
    def arrive(self, index):
        self.world.arrive(index)

    @rule(client=clients, pace=paces)
    def connect(self, client, pace):
        self.world.connect(client, pace)

    @rule(client=clients, is_noticed=st.booleans())
    def lose(self, client, is_noticed):
        self.world.lose(client, is_noticed=is_noticed)

    @rule()
    def notice(self):
        self.world.notice()

    @rule(client=clients, most=st.sampled_from([1, 2, 1000]))
    def hear(self, client, most):
        self.world.hear(client, most)

    @rule()
    def hear_all(self):
        self.world.hear_all()

    @rule(client=clients, back=st.integers(1, PAGE_SIZE), data=st.data())
    def go_back(self, client, back, data):
        self.world.go_back(client, back, data.draw(st.sampled_from(self.world.fates)))

    @rule()
    def beat(self):
        self.world.beat()

    @rule()
    def lose_database(self):
        self.world.lose_database()

    @rule()
    def find_database(self):
        self.world.find_database()

    @rule(seconds=st.sampled_from(WAITS_S))
    def wait(self, seconds):
        self.world.wait(seconds)

    @rule()
    def be_quiet(self):
        self.world.check_quiet()

    @invariant()
    def what_is_known_is_whole(self):
        self.world.check()

    def teardown(self):
        try:
            self.world.check_end()
            self.world.check()
        finally:
            self.world.close()


class ResumeInOrder(Resume):
    """A hub that can ask nobody tells at once what the layer brings, late or twice but in order."""

    world_of = {"has_source": False, "loses": False}


class ResumeWithoutComparing(Resume):
    """A hub that does not look at the heads: what shows in what arrives is found all the same."""

    world_of = {"compares": False}


class ResumeWithoutSource(Resume):
    """A hub that can ask nobody over a layer of which nothing can be expected: the clients help themselves."""

    world_of = {"has_source": False}


TestResume = Resume.TestCase
TestResume.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    derandomize=True,
    # A busy machine is no failure.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
some = settings(TestResume.settings, max_examples=80)
TestResumeInOrder = ResumeInOrder.TestCase
TestResumeInOrder.settings = some
TestResumeWithoutComparing = ResumeWithoutComparing.TestCase
TestResumeWithoutComparing.settings = some
TestResumeWithoutSource = ResumeWithoutSource.TestCase
TestResumeWithoutSource.settings = some
