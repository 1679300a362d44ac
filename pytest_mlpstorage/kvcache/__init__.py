"""Our KV cache engine: the work of a rank compiled first, run second and counted by completion, as a program without pytest."""
