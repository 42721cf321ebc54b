"""The runtime's part in ``manage.py``."""
