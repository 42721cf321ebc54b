"""The chat: people, rooms and messages, on pages and on sockets."""
