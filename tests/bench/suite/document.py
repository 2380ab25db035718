"""Puts what is generated between its marks in docs/performance.md; what stands around them is written by hand."""
import re
from xml.etree import ElementTree

from process import ROOT, Failure
from tables import IMAGES, Page

FILE = ROOT / "docs/performance.md"


def replace(text, name, part):
    begin, end = f"<!-- bench:{name} begin -->", f"<!-- bench:{name} end -->"
    pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.S)
    text, n = pattern.subn(lambda _: f"{begin}\n{part}\n{end}", text)
    if n != 1:
        raise Failure(f"{FILE.name}: {begin} ... {end} must stand there once, not {n} times")
    return text


def rendered(results):
    """What the files should hold: {path: text}."""
    page = Page(results)
    text = FILE.read_text(encoding="utf-8")
    for name, part in page.parts().items():
        text = replace(text, name, part)
    folder = ROOT / "docs" / IMAGES
    return {FILE: text, **{folder / file: svg for file, svg in page.charts.items()}}


def write(results):
    for path, text in rendered(results).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def check(results):
    """Returns which files are not as the results say. Charts are XML, or this raises ParseError."""
    for path, text in rendered(results).items():
        if path.suffix == ".svg":
            ElementTree.fromstring(text)
    return [path for path, text in rendered(results).items()
            if not path.exists() or path.read_text(encoding="utf-8") != text]
