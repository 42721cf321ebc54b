"""Consumers for what people build most: websockets and HTTP."""
