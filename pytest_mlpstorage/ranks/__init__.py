"""What the rank programs of all engines have in common: how they begin, wait for each other, fail and end."""
