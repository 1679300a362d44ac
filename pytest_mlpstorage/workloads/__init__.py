"""What to launch and how to read what came back, one module a family."""
