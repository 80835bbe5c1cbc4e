"""`python -m app.weather` as a user runs it: what it prints, writes and exits with."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.weather.observation import Observation, Place
from app.weather.store import Store
from tests.services.weather_server import MET_NORWAY, WeatherServer, weather_server
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(60)

PLACES = "Moscow=55.7558,37.6173;São Paulo=-23.55,-46.63"


class Program:
    """The program with a server of its own and an empty data folder."""

    def __init__(self, folder: Path, server: WeatherServer) -> None:
        self.folder = folder
        self.server = server
        self.file = folder / "weather" / "observations.jsonl"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("WEATHER_", "CELERY_"))},
            "DATA_DIR": str(folder),
            "WEATHER_PLACES": PLACES,
            "OPEN_METEO_URL": server.open_meteo_url,
            "MET_NORWAY_URL": server.met_norway_url,
        }

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error", "-m", "app.weather", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment | environment, check=False, timeout=50
        )
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        return done


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with weather_server() as server:
        yield Program(tmp_path, server)


def fill(program: Program, count: int = 200) -> None:
    """Write `count` quarters of an hour of two places, with a gap, up to now."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    times = [now - timedelta(minutes=15 * number) for number in range(count, 0, -1) if not 40 < number < 80]
    Store(program.file).append(
        [
            Observation(Place(name, 50, 10), time, time, "open-meteo", temperature_c=5.5, precipitation_mm=0.1)
            for time in times
            for name in ("Moscow", "São Paulo $x$ 東京")
        ]
    )


def test_now_is_a_table_for_a_person(program: Program) -> None:
    """Every place has a line with its values in words and units, and the data's owner is named."""
    done = program.run("now")
    assert done.returncode == 0
    for expected in ("Moscow", "São Paulo", "°C", "hPa", "m/s", "mm", "open-meteo", " min)", "CC BY 4.0"):
        assert expected in done.stdout
    assert not (program.folder / "weather").exists()


def test_now_takes_places_by_name_and_by_coordinates(program: Program) -> None:
    """Names are found whatever their case, and any point of the Earth can be named on the spot."""
    done = program.run("now", "moscow", "Oslo=59.91,10.75", "--json")
    assert [row["place"] for row in json.loads(done.stdout)] == ["Moscow", "Oslo"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("now", "Atlantis"),
        ("now", "X=1"),
        ("now", "X=91,0"),
        ("plot", "--days", "-1"),
        ("plot", "--days", "nan"),
        ("plot", "--days", "1e6"),
        ("export",),
        ("export", "--format", "parquet"),
        ("fly",),
        (),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told(program: Program, arguments: tuple[str, ...]) -> None:
    """What cannot be meant exits with 2 and says why."""
    done = program.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr


def test_unknown_places_are_answered_with_the_known_ones(program: Program) -> None:
    """A name that is not configured is answered with those that are."""
    assert "(Moscow, São Paulo)" in program.run("now", "Atlantis").stderr


def test_collect_says_what_it_did(program: Program) -> None:
    """A run writes its rows and says so; the same run again writes nothing, as a JSON document if wanted."""
    assert program.run("collect").stdout.startswith("Wrote 2 rows, to ")
    again = json.loads(program.run("collect", "--json").stdout)
    assert again["written"] + again["duplicates"] == 2 or again["written"] == 2
    assert again["providers"] == {"Moscow": "open-meteo", "São Paulo": "open-meteo"}
    assert all(json.loads(line)["schema"] == 1 for line in program.file.read_text().splitlines())


def test_no_service_is_one_sentence_and_a_failure(program: Program) -> None:
    """When nobody gives the weather, the reasons stand on standard error and the exit code is 1."""
    program.server.fault("html")
    program.server.fault("status-503", MET_NORWAY)
    for command in ("now", "collect"):
        done = program.run(command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "MET Norway is in trouble (status 503)." in done.stderr


def test_a_place_without_weather_is_a_failure(program: Program) -> None:
    """The places that have weather are written, the one that has none is named, and the exit code is 1."""
    program.server.fault("temperature-absurd")
    program.server.fault("status-503", MET_NORWAY)
    done = program.run("collect")
    assert done.returncode == 1
    assert done.stdout.startswith("Wrote 1 row, to ")
    assert done.stderr.endswith("No service gave the weather of Moscow.\n")


def test_a_wrong_setting_is_one_sentence(program: Program) -> None:
    """A setting that cannot be used is told without a traceback."""
    done = program.run("now", WEATHER_PLACES="Nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("WEATHER_PLACES='Nowhere' cannot be used")


def test_report_for_a_person_and_for_a_program(program: Program) -> None:
    """The report names rows, gaps and extremes of each place, and lines that are no rows."""
    fill(program)
    with program.file.open("a") as file:
        file.write("garbage\n")
    text = program.run("report").stdout
    for expected in ("Moscow", "complete", "longest gaps", "5.5 °C", "1 lines of the file are no rows", "CC BY 4.0"):
        assert expected in text
    document = json.loads(program.run("report", "--json").stdout)
    assert document["places"][0]["gaps"] == 1
    assert document["malformed_lines"][0]["reason"] == "is no JSON"


@pytest.mark.parametrize(
    "command", [("report",), ("plot",), ("export", "--format", "csv")], ids=lambda command: command[0]
)
def test_without_a_file_there_is_a_sentence(program: Program, command: tuple[str, ...]) -> None:
    """Before the first run, each command says how to begin."""
    done = program.run(*command)
    assert done.returncode == 1
    assert done.stderr == f"There is no weather file {program.file} yet; `python -m app.weather collect` begins it.\n"


@pytest.mark.parametrize("days", [None, "1", "0.5"])
def test_plot_is_a_picture(program: Program, days: str | None) -> None:
    """A PNG file appears, for places of any name, and what it shows is said."""
    fill(program)
    target = program.folder / "picture.png"
    done = program.run("plot", "--output", str(target), *(["--days", days] if days else []))
    assert (done.returncode, done.stderr) == (0, "")
    assert target.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert done.stdout.startswith("Drew Moscow, São Paulo $x$ 東京 into ")


def test_plot_of_nothing_writes_nothing(program: Program) -> None:
    """A place without rows, and a picture that cannot be written, are sentences."""
    fill(program, 10)
    assert "has no rows of these places" in program.run("plot", "--place", "Atlantis").stderr
    assert program.run("plot", "--place", "Moscow", "--place", "Atlantis").returncode == 1
    done = program.run("plot", "--output", str(program.folder / "none" / "picture.png"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_csv_holds_every_row(program: Program) -> None:
    """CSV on standard output and in a file are the same, with a header, and null is empty."""
    fill(program)
    printed = program.run("export", "--format", "csv").stdout
    target = program.folder / "weather.csv"
    assert program.run("export", "--format", "csv", "--output", str(target)).returncode == 0
    assert target.read_text() == printed
    rows = list(csv.DictReader(printed.splitlines()))
    assert len(rows) == 2 * (200 - 39)
    assert (rows[1]["place"], rows[1]["temperature_c"], rows[1]["humidity_percent"], rows[1]["backfilled"]) == (
        "São Paulo $x$ 東京",
        "5.5",
        "",
        "false",
    )


def test_parquet_has_types(program: Program) -> None:
    """The Parquet file has times with their zone, whole codes and every row."""
    from pyarrow import parquet

    fill(program)
    target = program.folder / "weather.parquet"
    assert program.run("export", "--format", "parquet", "--output", str(target)).returncode == 0
    table = parquet.read_table(target)
    assert table.num_rows == 2 * (200 - 39)
    assert str(table.schema.field("observed_at").type).endswith("tz=UTC]")
    assert str(table.schema.field("weather_code").type) == "int16"
    assert list(program.folder.glob(".*")) == []


def test_an_export_that_fails_leaves_the_old_file(program: Program) -> None:
    """What cannot be exported does not touch the file that is there."""
    target = program.folder / "weather.csv"
    target.write_text("old")
    assert program.run("export", "--format", "csv", "--output", str(target)).returncode == 1
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    "command", [("plot",), ("export", "--format", "csv"), ("export", "--format", "parquet")], ids=" ".join
)
def test_a_device_is_not_replaced(program: Program, command: tuple[str, ...]) -> None:
    """What is no regular file (a pipe here, /dev/null in the worst case) is refused, and stays what it is."""
    fill(program, 10)
    target = program.folder / "pipe"
    os.mkfifo(target)
    done = program.run(*command, "--output", str(target))
    assert (done.returncode, done.stderr) == (1, f"{target} cannot be written: it is no regular file.\n")
    assert target.is_fifo()


@pytest.mark.parametrize("name", ["", ".lock", ".torn"], ids=["itself", "lock", "torn"])
@pytest.mark.parametrize("link", [None, os.symlink, os.link], ids=["by name", "by symbolic link", "by hard link"])
@pytest.mark.parametrize("command", [("plot",), ("export", "--format", "csv")], ids=" ".join)
def test_the_weather_file_is_never_written_over(
    program: Program, command: tuple[str, ...], link: Callable[[Path, Path], None] | None, name: str
) -> None:
    """A picture or an export onto the weather file, its lock or its torn lines is refused, and nothing changes."""
    fill(program, 10)
    own = program.file.with_name(f"{program.file.name}{name}")
    own.touch()
    target = own.parent / ".." / own.parent.name / own.name
    if link:
        link(own, target := program.folder / "other")
    before = own.read_bytes()
    done = program.run(*command, "--output", str(target))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{target} is the weather file, or belongs to it; name another file.\n"
    assert own.read_bytes() == before


@pytest.mark.parametrize(
    "command", [("report",), ("plot",), ("export", "--format", "csv")], ids=lambda command: command[0]
)
def test_a_weather_file_that_is_none_is_refused_by_readers(program: Program, command: tuple[str, ...]) -> None:
    """A named pipe, which would block for ever, and a device without an end are refused at once."""
    pipe = program.folder / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        done = program.run(*command, WEATHER_FILE=str(path))
        assert done.returncode == 1
        assert done.stderr == f"The weather file {path} cannot be read: it is no regular file.\n"


def test_lines_without_a_row_are_no_report(program: Program) -> None:
    """A file of lines of which none is a row is reported, and is a failure."""
    program.file.parent.mkdir()
    program.file.write_text("garbage\n")
    done = program.run("report")
    assert (done.returncode, done.stderr) == (1, f"{program.file} has lines, but none of them is a row.\n")
    program.file.write_text("")
    assert program.run("report").returncode == 0


@pytest.mark.parametrize("command", [("plot",), ("export", "--format", "csv")], ids=lambda command: command[0])
def test_bad_lines_are_told(program: Program, command: tuple[str, ...]) -> None:
    """What is made without the lines that are no rows is complete, and exits with 1 to say that it left some out."""
    fill(program, 10)
    with program.file.open("a") as file:
        file.write("garbage\n")
    done = program.run(*command)
    assert done.returncode == 1
    assert done.stderr == "1 lines are no rows and were left out; the first is line 21, is no JSON.\n"


def test_a_reader_that_leaves_early_is_no_error(program: Program) -> None:
    """`export | head -1` ends quietly."""
    fill(program, 5_000)
    command = f"{sys.executable} -m app.weather export --format csv | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=program.environment, check=True, timeout=50
    )
    assert done.stderr == ""
    assert done.stdout.startswith("schema,place")


def test_ctrl_c_ends_with_130(program: Program) -> None:
    """Ctrl-C in the middle of a request ends the program at once and quietly."""
    program.server.fault("hang")
    command = [sys.executable, "-m", "app.weather", "now"]
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit that it is ignored
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=program.environment)
    signal.signal(signal.SIGINT, ours)
    wait_until(lambda: program.server.asked, 20, "the program has asked the service")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=40)
    assert (process.returncode, errors) == (130, b"")


def test_a_terminal_gets_colours_unless_it_wants_none(program: Program) -> None:
    """In a terminal the table is coloured, and with NO_COLOR it is not."""
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", in_terminal(program, environment))) == coloured


def in_terminal(program: Program, environment: dict[str, str]) -> str:
    """What `now` shows in a terminal."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "app.weather", "now"]
    settings = program.environment | {"TERM": "xterm-256color"} | environment
    with subprocess.Popen(command, stdout=its, stderr=its, stdin=its, env=settings) as process:
        os.close(its)
        shown = b""
        try:
            while chunk := os.read(ours, 65_536):
                shown += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
        assert process.wait(20) == 0
    os.close(ours)
    return shown.decode()
