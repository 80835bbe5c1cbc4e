"""What every page of a report has: fonts inside the file, and at its foot the title and the number of the page."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from matplotlib import get_data_path
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

REGULAR: Final = "DejaVuSans"
BOLD: Final = "DejaVuSans-Bold"
MARGIN: Final = 16 * mm
PADDING: Final = 6
"""Points that reportlab leaves free inside the margins."""
TEXT_WIDTH: Final = A4[0] - 2 * (MARGIN + PADDING)
FOOT: Final = 6 * mm
FOOT_SIZE: Final = 7.5
LONGEST_FOOT: Final = 80
"""Letters."""
GREY: Final = HexColor("#5d636e")


# Pictures as text of 7 bits are a quarter larger, and take a second to become that.
rl_config.useA85 = 0


@cache
def register_fonts() -> None:
    """Make the fonts known; matplotlib brings them along, and they have Latin, Greek and Cyrillic letters."""
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, Path(get_data_path(), "fonts", "ttf", f"{name}.ttf")))


class NumberedCanvas(Canvas):  # type: ignore[misc]  # reportlab has no types
    """A canvas that writes "Page 2 of 5", which is known when all pages are there."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Otherwise each page names Helvetica, which is not inside, before it names another one.
        super().__init__(*arguments, **options | {"initialFontName": REGULAR})
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keep the page for later."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write all pages, each with its foot, and the file."""
        pages = self._pages
        for number, page in enumerate(pages, start=1):
            self.__dict__.update(page)
            self._draw_foot(f"Page {number} of {len(pages)}")
            super().showPage()
        super().save()

    def _draw_foot(self, number: str) -> None:
        title = str(self._doc.info.title)
        shown = title if len(title) <= LONGEST_FOOT else f"{title[:LONGEST_FOOT]}…"
        self.setFont(REGULAR, FOOT_SIZE)
        self.setFillColor(GREY)
        self.drawString(MARGIN + PADDING, MARGIN - FOOT, shown)
        self.drawRightString(MARGIN + PADDING + TEXT_WIDTH, MARGIN - FOOT, number)
