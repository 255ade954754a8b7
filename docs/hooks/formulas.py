"""Turns the formulas of a page into MathML, which browsers draw by themselves.

So no script and no font is fetched, formulas are there before any script has run, and
screen readers can read them. A command that the converter does not know stops the
build.
"""

import html
import re

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

# What pymdownx.arithmatex leaves in its generic mode.
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)
# \overline, whose line a browser stretches only with a mathematical font.
OVERLINE = re.compile(
    r'<mover>(<mrow>(?:(?!<mrow>|</mrow>).)*</mrow>)<mo accent="true">&#x02015;</mo>'
    r"</mover>"
)
UNKNOWN = re.compile(r"<m\w+>(\\[A-Za-z]+)")


def on_page_content(content, page, config, files):
    """Replaces each formula of the finished page."""
    content = INLINE.sub(lambda match: mathml(match[1], "inline", page), content)
    return BLOCK.sub(lambda match: mathml(match[1], "block", page), content)


def mathml(latex, display, page):
    """One formula as MathML, with its source as what is read and copied."""
    latex = html.unescape(latex).strip()
    # The converter leaves roman letters to an attribute that browsers ignore.
    result = convert(latex.replace(r"\mathrm{", r"\text{"), display=display)
    # \sim comes out as the letter ~: make it the relation, with the space of one.
    result = result.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
    result = OVERLINE.sub(r'<mrow class="overline">\1</mrow>', result)
    unknown = UNKNOWN.search(result)
    if unknown:
        message = f"{page.file.src_uri}: {unknown[1]} in the formula {latex!r}"
        raise PluginError(f"latex2mathml does not know every command. {message}")
    if display == "block":
        return f'<div class="formula">{result}</div>'
    return result
