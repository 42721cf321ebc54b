"""From what a person wrote to the HTML that everybody sees."""

import re

import nh3
from markdown_it import MarkdownIt

# Chat is prose: no headings, images or tables, and a line break is a line break.
_markdown = (
    MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": True})
    .enable(["linkify", "strikethrough"])
    .disable(["heading", "lheading", "hr", "image", "reference"])
)
# "example.org" stays a name; "https://example.org" becomes a link.
assert _markdown.linkify is not None
_markdown.linkify.set({"fuzzy_link": False, "fuzzy_email": False}).add("ftp:", None)

_TAGS = {"p", "br", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"}

# Lines that mean nothing but themselves: no sign of Markdown or HTML in them, white space only inside and only as
# spaces, no start of a list, no blank line between them.
_SPECIAL = r"\\`*_~\[\]<>&\x00-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\ud800-\udfff"
_LINE = rf"(?![-+]|[0-9]+[.)])[^ {_SPECIAL}](?:[^{_SPECIAL}]*[^ {_SPECIAL}])?"
_PROSE = re.compile(rf"{_LINE}(?:\n{_LINE})*")
_ADDRESS = re.compile("//|mailto:", re.IGNORECASE)  # there is no link without


def render(text: str) -> str:
    """
    Sanitised HTML of a message written in a small part of Markdown.

    Raw HTML in ``text`` comes out as text. What the renderer makes is sanitised once more, so that a
    mistake in it cannot become a script on everybody's page.
    """
    if _PROSE.fullmatch(text) and not _ADDRESS.search(text):
        # Most of what people write, and what Markdown would make of it.
        return "<p>" + text.replace("\n", "<br>\n") + "</p>"
    return render_markdown(text)


def render_markdown(text: str) -> str:
    """``render`` for any text; for prose it only takes longer."""
    return nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"*": set(), "a": {"href"}, "ol": {"start"}},  # "*": else title and lang pass everywhere
        set_tag_attribute_values={"pre": {"tabindex": "0"}},  # wide code scrolls: by keyboard, too
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    ).strip()
