"""Speed and memory, measured beside something that people know, in the same run."""
