"""Markdown to HTML: the small part that a chat needs, and nothing that could run."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.rendering import render, render_markdown

ALLOWED = {
    "a": {"href", "rel"},
    "ol": {"start"},
    "pre": {"tabindex"},
    **{tag: set() for tag in ["p", "br", "strong", "em", "s", "code", "blockquote", "ul", "li"]},
}
SCHEMES = {"", "http", "https", "mailto"}
REL = 'rel="noopener noreferrer nofollow"'


class Elements(HTMLParser):
    """The elements of some HTML, as a browser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("a comment", {}))

    handle_decl = handle_pi = unknown_decl = handle_comment


def links(html: str) -> list[str | None]:
    """Where the links of some HTML lead; None for one that leads nowhere."""
    return [attributes.get("href") for tag, attributes in Elements(html).found if tag == "a"]


def scheme(href: str | None) -> str:
    """What kind of address it is, as a browser sees it; "" for one on this site."""
    # Not all of the address: what follows may be no URL at all.
    return urlsplit((href or "").partition("//")[0]).scheme


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hello", "<p>Hello</p>"),
        ("**bold** *italic*", "<p><strong>bold</strong> <em>italic</em></p>"),
        ("~~gone~~ `code`", "<p><s>gone</s> <code>code</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("one\n\ntwo", "<p>one</p>\n<p>two</p>"),
        ("```python\nif a < b:\n    **c**\n```", '<pre tabindex="0"><code>if a &lt; b:\n    **c**\n</code></pre>'),
        ("> quoted", "<blockquote>\n<p>quoted</p>\n</blockquote>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. c", '<ol start="3">\n<li>c</li>\n</ol>'),
        ("[site](https://example.org)", f'<p><a href="https://example.org" {REL}>site</a></p>'),
        ("https://example.org/?a=1&b=2", f'<p><a href="https://example.org/?a=1&amp;b=2" {REL}>https://example.org/?a=1&amp;b=2</a></p>'),
        ("<ada@example.org>", f'<p><a href="mailto:ada@example.org" {REL}>ada@example.org</a></p>'),
        ("AT&T &lt;3 &copy;", "<p>AT&amp;T &lt;3 ©</p>"),
        ("مرحبا **بالعالم**", "<p>مرحبا <strong>بالعالم</strong></p>"),
    ],
)  # fmt: skip
def test_a_small_part_of_markdown_is_understood(text, html):
    assert render(text) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# No heading", "<p># No heading</p>"),
        ("No heading\n===", "<p>No heading<br>\n===</p>"),
        ("---", "<p>---</p>"),
        ("| a |\n|---|", "<p>| a |<br>\n|---|</p>"),
        ("see example.org or ada@example.org", "<p>see example.org or ada@example.org</p>"),
        ("[a]: https://example.org", f'<p>[a]: <a href="https://example.org" {REL}>https://example.org</a></p>'),
    ],
)
def test_what_is_no_prose_stays_as_it_was_written(text, html):
    assert render(text) == html


def test_an_image_becomes_a_link_so_that_reading_loads_nothing_from_elsewhere():
    html = render("![cat](https://example.org/cat.png)")

    assert [tag for tag, _ in Elements(html).found] == ["p", "a"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<b onclick=alert(1)>bold</b>",
        "<img src=x onerror=alert(1)>",
        "<!-- hidden -->",
        "<svg><style><img src=x onerror=alert(1)>",
        "<?php ?>",
        "<![CDATA[x]]>",
        "<a href='javascript:alert(1)'>click</a>",
    ],
)
def test_raw_html_comes_out_as_text(text):
    html = render(text)

    assert {tag for tag, _ in Elements(html).found} <= {"p"}
    assert "&lt;" in html


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "&#106;avascript:alert(1)", "vbscript:x"]
    + ["data:text/html,<script>alert(1)</script>", "file:///etc/passwd", "\x01javascript:alert(1)"],
    ids=ascii,
)
@pytest.mark.parametrize("link", ["[click]({})", "[click](<{}>)", "<{}>", "{}"])
def test_a_link_leads_to_no_script(link, address):
    """An address without a scheme stays on this site; browsers strip what urlsplit strips before they look."""
    html = render(link.format(address))

    assert {scheme(href) for href in links(html)} <= SCHEMES


def test_a_link_does_not_hide_where_it_leads_behind_a_title():
    assert "title" not in render('[site](https://evil.example "https://example.org")')


@pytest.mark.parametrize("text", ["*" * 4_000, "[" * 4_000, ">" * 4_000, "- " * 2_000, "`" * 3_999, "![](" * 1_000])
@pytest.mark.timeout(2)
def test_a_text_made_to_be_slow_is_not(text):
    render(text)


WORDS = ["javascript:", "http://a.b", "<script", "<a href=", " onclick=", "&#106;", "![", "](", "```", "\n> ", "\n- "]
MARKDOWN = st.lists(st.sampled_from([*WORDS, *"*_~`[]()<>!#&;:/\\\"'= \n-.1ax\t"]), max_size=40).map("".join)


@settings(deadline=None, max_examples=300)
@given(st.one_of(MARKDOWN, st.text(st.characters(exclude_categories=["Cs"]), max_size=200)))
@example('[a](http://a "title")')
@example("ftp://a.b")
def test_no_text_makes_an_element_or_attribute_that_is_not_allowed(text):
    for tag, attributes in Elements(render(text)).found:
        assert tag in ALLOWED
        assert set(attributes) <= ALLOWED[tag]
        assert scheme(attributes.get("href")) in SCHEMES
        if tag == "a":
            assert attributes["rel"] == "noopener noreferrer nofollow"


PROSE = st.lists(
    st.sampled_from([*"ab1 \n.:)-+@!\"'#=/|", "  ", "\n\n", "1. ", "- ", "//", "http:", "mailto:", "www.a.b", "a@b.c"]),
    max_size=15,
).map("".join)
SIGNS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WHITE = st.text(st.sampled_from("a \n\t\r\v\f\x1c\x85\xa0\u2028\u3000\ufeff\u200b"), max_size=10)


@settings(deadline=None, max_examples=1_000)
@given(st.one_of(PROSE, MARKDOWN, SIGNS, WHITE))
@example("12) a")
@example("a\n+ b")
@example("MAILTO:a@b.c")
def test_prose_is_rendered_as_markdown_would(text):
    """Most messages are no more than that, and do not need the library."""
    assert render(text) == render_markdown(text)


def test_every_common_sign_is_rendered_as_markdown_would():
    for sign in map(chr, range(0x3100)):
        for text in (sign, f"a{sign}", f"{sign}a", f"a{sign}b"):
            assert render(text) == render_markdown(text)
