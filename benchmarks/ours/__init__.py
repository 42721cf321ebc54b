"""The smallest site on this runtime: rooms in which each frame is told to everybody."""
