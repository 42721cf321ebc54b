"""From what a person wrote to the HTML that everybody sees."""

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


def render(text: str) -> str:
    """
    Sanitised HTML of a message written in a small part of Markdown.

    Raw HTML in ``text`` comes out as text. What the renderer makes is sanitised once more, so that a
    mistake in it cannot become a script on everybody's page.
    """
    return nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"*": set(), "a": {"href"}, "ol": {"start"}},  # "*": else title and lang pass everywhere
        set_tag_attribute_values={"pre": {"tabindex": "0"}},  # wide code scrolls: by keyboard, too
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    ).strip()
