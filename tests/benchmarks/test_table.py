"""What the benchmarks print."""

from benchmarks.table import Row, faults, gather, grid, lines, number

TITLES = {"a": "The first"}


def test_runs_of_one_case_become_median_and_spread():
    results = gather(Row("a", "200", {"µs": value}) for value in (3.0, 1.0, 2.0))

    assert [result.cell("µs") for result in results] == ["2.00 (1.00 to 3.00)"]


def test_one_that_lost_something_is_failed_however_fast_it_was():
    results = gather([Row("a", "200", {"µs": 1.0}), Row("a", "200", {"µs": 1.0}, ["Member 3 lacks 1."])])

    assert "**failed**" in grid(results, TITLES, "µs")
    assert "Member 3 lacks 1." in faults(results, TITLES)


def test_a_grid_has_a_line_for_each_system_and_a_column_for_each_case():
    results = gather([Row("a", "5", {"µs": 1.0}), Row("a", "50", {"µs": 12.34}), Row("b", "50", {"µs": 1234.5})])

    assert grid(results, TITLES, "µs").splitlines() == [
        "|           |    5 |    50 |",
        "| --------- | ---: | ----: |",
        "| The first | 1.00 |  12.3 |",
        "| b         |    - | 1,234 |",
    ]


def test_lines_have_a_column_for_each_value():
    results = gather([Row("a", "idle", {"KiB": 1.0, "ms": 2.0}), Row("b", "idle", {"ms": 3.0})])

    assert lines(results, TITLES).splitlines()[2:] == [
        "| The first | idle | 1.00 | 2.00 |",
        "| b         | idle |    - | 3.00 |",
    ]


def test_numbers_have_three_digits_that_count():
    assert [number(value) for value in (0.123, 1.234, 12.34, 123.4, 12345.6)] == [
        "0.12",
        "1.23",
        "12.3",
        "123",
        "12,346",
    ]
