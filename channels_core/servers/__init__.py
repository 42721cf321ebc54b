"""What the runtime adds to the servers that it runs under."""
