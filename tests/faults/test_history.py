"""The checker finds what it is there to find: each promise, broken in a history that is right otherwise."""

import pytest

from tests.faults.history import GRACE_S, Record, State, Stored, Telling, check

ADA, GRACE, EVE = 1, 2, 3


def message(seq: int, **fields: object) -> State:
    state = State(id=100 + seq, seq=seq, version=seq, client_id=f"id-{seq}", author=ADA, text="Hello", deleted=False)
    return state._replace(**fields)


FIRST, SECOND, THIRD = message(1), message(2), message(3)
EDITED = SECOND._replace(version=4, text="Hello again")


@pytest.fixture
def room() -> Stored:
    """Ada has said three things and edited the second."""
    return Stored(head=4, last_seq=3, members={ADA, GRACE}, messages=[FIRST, EDITED, THIRD])


@pytest.fixture
def ada() -> Record:
    said = {state.client_id: (5.0, state) for state in (FIRST, SECOND, THIRD)}
    record = Record("ada", ADA, "lobby", acknowledged=said, changed=[EDITED], shown=[FIRST, EDITED, THIRD])
    record.told.append(Telling(5.0, "messages", [FIRST, SECOND, THIRD]))
    return record


@pytest.fixture
def grace() -> Record:
    """She lost her line after the first, and was told the rest when she came back."""
    record = Record("grace", GRACE, "lobby", shown=[FIRST, EDITED, THIRD])
    record.told = [Telling(1.0, "messages", [FIRST]), Telling(6.0, "welcome", [THIRD, EDITED])]
    return record


@pytest.fixture
def eve() -> Record:
    """She is no member of the lobby, and was told nothing."""
    return Record("eve", EVE, "lobby", is_owed=False)


@pytest.fixture
def kinds(room, ada, grace, eve):
    """What is found to be wrong."""
    rooms = {"lobby": room, "attic": Stored(head=0, last_seq=0, members={ADA}, messages=[])}
    return lambda: {violation.kind for violation in check([ada, grace, eve], rooms).violations}


def test_nothing_is_wrong_with_a_history_that_is_right(room, ada, grace, eve, kinds):
    verdict = check([ada, grace, eve], {"lobby": room})

    assert verdict.violations == []
    assert (verdict.acknowledged, verdict.owed, verdict.delivered) == (3, 6, 6)
    assert kinds() == set()


def test_acknowledged_and_not_stored(room, ada, kinds):
    ada.acknowledged["id-4"] = (7.0, message(4))

    assert "lost" in kinds()


def test_acknowledged_with_another_number(ada, kinds):
    ada.acknowledged["id-1"] = (7.0, FIRST._replace(seq=2))

    assert "untrue" in kinds()


def test_an_edit_that_was_acknowledged_and_is_not_stored(ada, kinds):
    ada.changed.append(THIRD._replace(version=5))

    assert "lost" in kinds()


def test_a_post_that_was_refused(ada, kinds):
    ada.refused.append("unknown_type")

    assert kinds() == {"lost"}


def test_a_post_that_is_stored_twice(room, ada, grace, kinds):
    again = message(4, version=5, client_id="id-3")
    room.messages.append(again)
    room.head, room.last_seq = 5, 4
    ada.shown.append(again)
    grace.shown.append(again)

    assert "doubled" in kinds()


def test_places_with_a_gap(room, ada, grace, kinds):
    room.messages.remove(THIRD)
    ada.shown.remove(THIRD)

    assert "lost" in kinds()


def test_a_change_above_the_head(room, kinds):
    room.head = 3

    assert kinds() == {"untrue"}


def test_stored_and_not_shown(grace, kinds):
    grace.shown.remove(THIRD)

    assert kinds() == {"lost"}


def test_what_was_there_before_is_not_owed(grace, kinds):
    grace.origin = 1
    grace.shown.remove(FIRST)

    assert kinds() == set()


def test_an_edit_that_did_not_arrive(grace, kinds):
    grace.shown = [FIRST, SECOND, THIRD]

    assert kinds() == {"lost"}


def test_shown_twice(grace, kinds):
    grace.shown.append(FIRST)

    assert kinds() == {"doubled"}


def test_new_messages_in_another_order_than_their_places(grace, kinds):
    grace.told = [Telling(1.0, "messages", [FIRST, THIRD]), Telling(2.0, "messages", [SECOND])]

    assert kinds() == {"disordered"}


def test_the_reply_to_ones_own_message_stands_beside_the_order(ada, kinds):
    ada.told = [Telling(1.0, "reply", [THIRD]), Telling(2.0, "messages", [FIRST, SECOND])]

    assert kinds() == set()


def test_who_starts_afresh_may_be_told_older_ones_again(grace, kinds):
    grace.told.append(Telling(7.0, "welcome", [FIRST, EDITED, THIRD], is_fresh=True))

    assert kinds() == set()


@pytest.mark.parametrize(
    "told",
    [
        message(9),
        SECOND._replace(text="Bye"),
        FIRST._replace(version=2),
        FIRST._replace(seq=7),
        FIRST._replace(text="Bye"),
        EDITED._replace(deleted=True),
    ],
    ids=["unknown", "another old text", "too new", "elsewhere", "another text", "deleted"],
)
def test_told_what_is_not_so(ada, grace, kinds, told):
    grace.told.append(Telling(8.0, "changes", [told]))

    assert "untrue" in kinds()


def test_a_stranger_who_is_told_something(eve, kinds):
    eve.told.append(Telling(3.0, "presence"))

    assert kinds() == {"leaked"}


def test_told_of_another_room_than_ones_own(grace, kinds):
    grace.told.append(Telling(3.0, "activity", rooms=["attic"]))

    assert kinds() == {"leaked"}


@pytest.mark.parametrize(("late_s", "found"), [(GRACE_S / 2, set()), (GRACE_S * 2, {"leaked"})])
def test_told_something_after_being_put_out(room, grace, kinds, late_s, found):
    room.members.remove(GRACE)
    grace.is_owed, grace.put_out_at = False, 10.0
    grace.told.append(Telling(10.0 + late_s, "beat"))

    assert kinds() == found


def test_who_was_put_out_is_owed_nothing(room, grace, kinds):
    room.members.remove(GRACE)
    grace.is_owed, grace.put_out_at = False, 10.0
    grace.shown, grace.refused = [], ["not_a_member"]

    assert kinds() == set()
