"""What is logged, and how a line looks: for Django's settings and for gunicorn, so that both write alike."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

FORMATS = ("plain", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def config(format: str, level: str) -> dict[str, Any]:
    """A ``dictConfig`` that writes to the standard error stream, as ``plain`` lines or one ``json`` object a line."""
    for name, value, known in (("LOG_FORMAT", format, FORMATS), ("LOG_LEVEL", level, LEVELS)):
        if value not in known:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(known)}, but is {value!r}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "format": "{asctime}{levelname}{name}{message}",
                "style": "{",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            },
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": format}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "channels_core": {"level": level},
            "chat": {"level": level},
            "django": {"level": level},
            "gunicorn.error": {"level": level, "handlers": ["console"], "propagate": False},
            # At INFO it has a line for each websocket that opens and another when it closes. It has the handler
            # by name, because gunicorn's worker makes the two loggers share one list of handlers.
            "uvicorn.error": {
                "level": "WARNING" if level == "INFO" else level,
                "handlers": ["console"],
                "propagate": False,
            },
        },
    }
