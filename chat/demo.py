"""The demo's people, rooms and conversations. A fork that ships without a demo deletes this and seed_demo."""

from typing import NamedTuple

PASSWORD = "talk-to-me"  # meant to be known
UNREAD = 2  # messages that nobody has read yet in each room
DAY = 24 * 60


class Line(NamedTuple):
    """What somebody said, so many minutes ago."""

    minutes_ago: int
    username: str
    text: str


PEOPLE = {
    "ada": "Ada Lovelace",
    "grace": "Grace Hopper",
    "linus": "Linus",
    "noor": "نور الهدى",
    "max": "Maximiliane Oberstaufenbacher-Wolkenstein",
    "builder": "Build Bot",
}

# slug: name, topic, kind, members (the first one is the owner)
ROOMS = {
    "lobby": ("Lobby", "Where everybody starts. Say hello.", "public", ["ada", "grace", "linus", "noor", "max"]),
    "engineering": ("Engineering", "What we build, and how.", "public", ["grace", "ada", "linus", "builder"]),
    "builds": ("Builds", "One line for every build.", "public", ["builder", "ada", "grace"]),
    "books": ("Reading club", "A book a month, no spoilers before the 15th.", "public", ["noor", "max"]),
    "offsite": ("Offsite planning", "Dates, trains, and who brings the games.", "private", ["ada", "grace", "noor"]),
}

CONVERSATIONS = {
    "lobby": [
        Line(2 * DAY + 300, "ada", "Good morning! I have just opened this room. Who else is here?"),
        Line(2 * DAY + 297, "grace", "Me. And I brought coffee ☕"),
        Line(2 * DAY + 296, "grace", "Also: the ship's clock is four minutes fast. *Again.*"),
        Line(2 * DAY + 240, "linus", "Hello from the train. The line drops in every tunnel, so bear with me."),
        Line(
            2 * DAY + 236,
            "ada",
            "That is the perfect test. Whatever you write in a tunnel should arrive after it, once.",
        ),
        Line(DAY + 420, "noor", "صباح الخير! سعيدة بانضمامي إليكم. هل يظهر النص من اليمين إلى اليسار بشكل صحيح؟"),
        Line(DAY + 417, "ada", "It does, نور. Welcome!"),
        Line(
            DAY + 414,
            "max",
            "Servus zusammen 👋🏽 I promise that my name is longer than anything I am going to say here.",
        ),
        Line(
            DAY + 410,
            "grace",
            "Challenge accepted: Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft.",
        ),
        Line(DAY + 409, "max", "😂😂😂"),
        Line(
            95,
            "linus",
            'For the record, this is how one says hello from a script:\n\n```python\nasync with connect(url, additional_headers=cookie) as socket:\n    welcome = json.loads(await socket.recv())\n    await socket.send(json.dumps({"type": "message.post", "ref": 1, "client_id": str(uuid4()), "text": "Hello"}))\n```',
        ),
        Line(93, "linus", "`client_id` is what makes a retry harmless."),
        Line(
            60,
            "ada",
            "Three things for today:\n\n1. **Write** something here\n2. Open a second window and log in as somebody else\n3. Watch both\n\n> The Analytical Engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves.",
        ),
        Line(58, "noor", "Two windows side by side, both live. This is nice."),
        Line(4, "grace", "Anybody up for lunch at half past twelve?"),
        Line(3, "ada", "Yes!"),
    ],
    "engineering": [
        Line(DAY + 200, "grace", "I found the bug. It was an actual moth."),
        Line(DAY + 198, "linus", "Pictures or it did not happen."),
        Line(
            DAY + 150,
            "ada",
            "The rule I keep coming back to: *the database is the truth, a broadcast is only the bell*. https://www.rfc-editor.org/rfc/rfc6455",
        ),
        Line(
            120,
            "linus",
            "Numbers without gaps, taken under the row's lock, in commit order. Then “what did I miss since 41?” is one query.",
        ),
        Line(118, "builder", "Build 120 passed in 3 min 12 s."),
        Line(
            30,
            "grace",
            "It is easier to ask forgiveness than it is to get permission, but please do ask before you drop a table.",
        ),
    ],
    "books": [
        Line(3 * DAY, "noor", "This month: *The Left Hand of Darkness*. Who is in?"),
        Line(3 * DAY - 12, "max", "In! I have the edition with the terrible cover."),
        Line(DAY, "noor", "No spoilers before the 15th, please. I am looking at you, Max."),
    ],
    "offsite": [
        Line(600, "ada", "Second week of May, by the lake. Trains are booked; games are not."),
        Line(590, "grace", "I bring cards. And a nanosecond, for everybody."),
    ],
}

BUILD_LOG = [
    Line(
        (121 - number) * 37,
        "builder",
        f"Build {number} passed in {2 + number % 3} min {number * 7 % 60} s."
        if number % 9
        else f"Build {number} **failed**: `test_a_message_reaches_every_tab_in_the_room_once` timed out.",
    )
    for number in range(1, 121)
]
