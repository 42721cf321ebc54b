"""
What a message costs, here and elsewhere: ``python -m benchmarks``, by ``make bench`` and ``make bench-quick``.

    python -m benchmarks                                everything, at most 10 minutes on 2 cores
    python -m benchmarks --quick                        ours, the bare loop and Channels in a room of 200
    python -m benchmarks fanout --system ours --room 200
    python -m benchmarks --list                         the systems, and which of them can run here

``scripts/bench-install`` installs once what is compared, into .bench/. What is missing is left out with a sentence.

Systems are started in turn, a round of all and then the next round, and are driven by the same clients: processes of
at most 250 sockets, which have a core that the servers do not use, together with Redis and PostgreSQL. (Two workers on
two cores leave none: then all share both.) CPU time is read from the processes' own clocks. Every run checks that each
member got each message, whole, once and in the order of its sender; one that lost something stands in the table as
failed. What else runs on the machine makes all figures larger: compare those of one run with each other.

    __main__    the order of everything                      bench       what a measure is given
    systems     what is compared, and how it is started      people      users, rooms and sessions for the chat
    fleet       the drivers, seen from here                  table       medians and spread, as JSON and Markdown
    driver      a process full of sockets                    ledger      what was delivered, and whether that is right
    wire        raw texts, Socket.IO, the chat's frames      machine     cores, clocks, memory
    ours/       the smallest site on our runtime             peers/      the same by others

A measure is a module in ``measures/``. It has ``TITLE`` (a heading), ``NOTE`` (what the numbers mean) and one of these:

    def run(bench: Bench) -> Iterator[Row]
        The whole of it, called once in each round; ``bench.is_quick`` asks for a short one. All of them together
        have about two minutes.

    def visit(bench: Bench, server: Running, fleet: Fleet) -> Iterator[Row]
        For measures that share servers: called for each system in turn, while it runs with one worker and, if
        ``WORKERS = (1, 2)`` stands in the module, with two.

``Row(system, case, values)``: ``case`` is a short text ("room of 200, 60 B"), ``values`` numbers by name, with the unit
in the name ("server µs/delivery"); ``faults`` is a list of sentences, empty where everything was right. Rows of the
same system and case are put together: median, and lowest to highest. The table has a line per system and case, unless
the module has a ``table(results, titles) -> str`` of its own. ``ROUNDS = 1`` in a module: it is run in the first round
only.

    with bench.start("chat", workers=1, environment={...}) as server:   # a system of systems.py, by name
        server.port, server.url, server.pids()        the process and all its children
        server.cpu_s()                                their CPU seconds; server.beside_s() those of Redis and PostgreSQL
        server.rss_bytes()
        server.people                                 of a chat: People, whose ``cookies(room, count)`` signs people in
                                                      and of ours and Channels with start(..., users="postgres"), too
        with bench.fleet(server) as fleet:
            seconds = fleet.open("room", 200)         200 sockets in that room (signed in, for the chat)
            run = fleet.post("room", size=60, in_flight=4, seconds=1.0)     closed loop, then waits for all of it
            run.deliveries, run.seconds, run.faults
            run = fleet.pace("room", size=60, rate=100.0, seconds=3.0)      open loop: posts a second, at random times
            run.latencies_ms (sorted)
"""
