"""Our checkpoint engine: the files, names and bytes of DLIO's checkpoints without DLIO and torch, as a program of one rank."""
