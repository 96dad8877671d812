"""The README's picture of a report, light and dark: python benchmarks/pictures.py outputs/NAME/report.html

Needs Chromium. The pictures are what a reader sees first of the page, in a window of 1280 x 800 pixels.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGES)
    given = parser.parse_args()
    if not given.report.is_file():
        raise SystemExit(f"{given.report}: there is no such report; make train leaves outputs/quickstart/report.html")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is installed")
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            page.goto(given.report.resolve().as_uri())
            page.wait_for_timeout(300)  # until the curves are drawn
            page.screenshot(path=given.out / f"report-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main()
