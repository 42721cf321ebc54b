"""Small helps for the templates."""

from django import template

register = template.Library()


@register.filter
def initials(name: str) -> str:
    """The first letters of up to two words: "Ada Lovelace" becomes AL. static/js/core/dom.js has the same rule."""
    return "".join(word[0] for word in name.split()[:2]).upper()
