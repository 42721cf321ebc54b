"""Guards around applications."""
