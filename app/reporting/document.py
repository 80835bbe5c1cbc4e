"""The report as a PDF on A4: for each place its figures, its charts and its gaps."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Image, PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

from app.reporting.charts import days_chart, weather_chart
from app.reporting.contents import Chapter, Contents, read_contents
from app.reporting.figures import MOST_GAPS, figures, gap_lines
from app.reporting.pages import BOLD, FOOT, GREY, MARGIN, REGULAR, TEXT_WIDTH, NumberedCanvas, register_fonts
from app.reporting.period import Period
from app.weather.credit import credit
from app.weather.gaps import Gap
from app.weather.precipitation import ROWS_NOTE

SHORT: Final = timedelta(days=2)
"""Up to here a report of days would say nothing new."""
INK: Final = HexColor("#1f2430")
RULE: Final = HexColor("#c9cdd4")
TITLE: Final = ParagraphStyle("title", fontName=BOLD, fontSize=19, leading=24, textColor=INK)
PERIOD: Final = ParagraphStyle("period", fontName=REGULAR, fontSize=9.5, leading=17, textColor=GREY, spaceAfter=6)
HEADING: Final = ParagraphStyle(
    "heading", fontName=BOLD, fontSize=11.5, leading=16, textColor=INK, spaceBefore=8, spaceAfter=2, keepWithNext=True
)
TEXT: Final = ParagraphStyle("text", fontName=REGULAR, fontSize=9, leading=12.5, textColor=INK)
QUIET: Final = ParagraphStyle("quiet", parent=TEXT, textColor=GREY)
NOTE: Final = ParagraphStyle("note", parent=QUIET, fontSize=7.5, leading=10.5, spaceBefore=10)
RULES: Final = TableStyle(
    [
        ("FONTNAME", (0, 0), (-1, -1), REGULAR),  # named for each cell, even where a paragraph names its own
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
)


def build_report(
    weather_file: Path, places: Sequence[str], period: Period, now: datetime, run_minutes: Sequence[int]
) -> bytes:
    """A PDF about `places` in `period`, from the weather file that runs at `run_minutes` of each hour write.

    Raises NoRows when no place has a row in this period, ReportError when the file cannot be read.
    """
    contents = read_contents(weather_file, places, period, now, run_minutes)
    register_fonts()
    output = BytesIO()
    document = SimpleDocTemplate(
        output,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + FOOT,
        title=_title(contents),
        subject=str(period),
        creator="Weatherbeat",
    )
    document.build(list(_story(contents)), canvasmaker=NumberedCanvas)
    return output.getvalue()


def _title(contents: Contents) -> str:
    places = [chapter.figures.place for chapter in contents.chapters]
    return f"Weather of {places[0]}" if len(places) == 1 else f"Weather of {len(places)} places"


def _story(contents: Contents) -> Iterator[Flowable]:
    for number, chapter in enumerate(contents.chapters):
        if number:
            yield PageBreak()
        yield from _chapter(chapter, contents)
    yield Paragraph(escape(_note(contents)), NOTE)


def _chapter(chapter: Chapter, contents: Contents) -> Iterator[Flowable]:
    yield Paragraph(escape(f"Weather of {chapter.figures.place}"), TITLE)
    yield Paragraph(f"{contents.period}, made on {contents.made_at:%Y-%m-%d at %H:%M} UTC", PERIOD)
    yield Table(
        [[Paragraph(name, QUIET), Paragraph(escape(value), TEXT)] for name, value in figures(chapter)],
        colWidths=[0.25 * TEXT_WIDTH, 0.75 * TEXT_WIDTH],
        style=RULES,
    )
    yield Paragraph("Temperature, precipitation and wind", HEADING)
    yield _picture(weather_chart(chapter, contents.period))
    if contents.period.end - contents.period.begin > SHORT:
        yield Paragraph("Day by day", HEADING)
        yield _picture(days_chart(chapter, contents.period))
    yield Paragraph("What is missing", HEADING)
    yield from _gaps(chapter.completeness.gaps)


def _gaps(gaps: Sequence[Gap]) -> Iterator[Flowable]:
    if not gaps:
        yield Paragraph("Nothing: every slot of the schedule has its row.", TEXT)
        return
    head = ("first missing slot (UTC)", "last missing slot (UTC)", "slots")
    rows = [[Paragraph(text, QUIET) for text in head]]
    rows += [[Paragraph(text, TEXT) for text in line] for line in gap_lines(gaps)]
    yield Table(rows, colWidths=[0.4 * TEXT_WIDTH, 0.4 * TEXT_WIDTH, 0.2 * TEXT_WIDTH], style=RULES, repeatRows=1)
    if len(gaps) > MOST_GAPS:
        yield Paragraph(f"These are the {MOST_GAPS} longest of {len(gaps):,} gaps.", QUIET)


def _note(contents: Contents) -> str:
    providers = {name for chapter in contents.chapters for name in chapter.figures.rows_of}
    parts = [ROWS_NOTE, f"Times are UTC. {credit(providers)}."]
    if contents.without:
        parts.append(f"No rows in this period: {', '.join(contents.without)}.")
    if contents.malformed:
        parts.append(f"{contents.malformed:,} lines of the weather file are no rows and were left out.")
    return " ".join(parts)


def _picture(png: bytes) -> Image:
    width, height = ImageReader(BytesIO(png)).getSize()
    return Image(BytesIO(png), TEXT_WIDTH, TEXT_WIDTH * height / width)
