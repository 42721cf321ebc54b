"""What all layers share: the rules for names, and capacities by name."""

import pytest

from channels_core.layers import BaseChannelLayer


@pytest.fixture
def layer() -> BaseChannelLayer:
    return BaseChannelLayer()


@pytest.mark.parametrize("name", ["chat", "room.7", "a-b_c.D", "x" * 99])
def test_valid_names(layer, name):
    assert layer.require_valid_group_name(name)
    assert layer.require_valid_channel_name(name)


@pytest.mark.parametrize("name", ["specific.host!abc", "x!"])
def test_a_channel_of_one_process_has_an_exclamation_mark_and_a_group_has_not(layer, name):
    assert layer.require_valid_channel_name(name)
    with pytest.raises(TypeError):
        layer.require_valid_group_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "!x", "a!b!c", "x" * 100, "chat" * 100, "¯\\_(ツ)_/¯", "chat\n", "٣", "x!é", "a/b", 7, None, b"chat"],
    ids=repr,
)
def test_malformed_names(layer, name):
    """Existing code looks for the layer's own text in the error, as a regular expression."""
    with pytest.raises(TypeError, match=layer.invalid_name_error.format("Channel")):
        layer.require_valid_channel_name(name)
    with pytest.raises(TypeError, match=layer.invalid_name_error.format("Group")):
        layer.require_valid_group_name(name)


def test_a_process_receives_under_the_part_up_to_the_exclamation_mark(layer):
    assert layer.require_valid_channel_name("specific.host!", receive=True)
    assert layer.require_valid_channel_name("jobs", receive=True)
    with pytest.raises(TypeError):
        layer.require_valid_channel_name("specific.host!abc", receive=True)


def test_the_non_local_part_of_a_name(layer):
    assert layer.non_local_name("specific.host!abc") == "specific.host!"
    assert layer.non_local_name("jobs") == "jobs"


def test_lists_of_names(layer):
    assert layer.valid_channel_names(["one", "two"])
    for names in ([], ("one",), "one"):
        with pytest.raises(AssertionError):
            layer.valid_channel_names(names)
    with pytest.raises(TypeError):
        layer.valid_channel_names(["one", "not a name"])


@pytest.mark.parametrize("alias", ["valid_channel_name", "valid_group_name"])
def test_old_names_of_the_checks_still_work(layer, alias):
    with pytest.warns(DeprecationWarning, match=f"^{alias} is deprecated"):
        assert getattr(layer, alias)("chat")
    with pytest.warns(DeprecationWarning, match=alias), pytest.raises(TypeError):
        getattr(layer, alias)("not a name")


def test_capacity_is_that_of_the_first_pattern_that_fits(layer):
    layer.capacity = 5
    layer.channel_capacity = layer.compile_capacities({"http.*": 10, "http.request": 20, "*!*": 30})

    assert layer.get_capacity("http.request") == 10
    assert layer.get_capacity("specific.host!abc") == 30
    assert layer.get_capacity("jobs") == 5


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("send", ("channel", {})),
        ("receive", ("channel",)),
        ("new_channel", ()),
        ("flush", ()),
        ("group_add", ("group", "channel")),
        ("group_discard", ("group", "channel")),
        ("group_send", ("group", {})),
    ],
)
async def test_a_layer_of_ones_own_has_to_say_how(layer, method, arguments):
    with pytest.raises(NotImplementedError):
        await getattr(layer, method)(*arguments)
