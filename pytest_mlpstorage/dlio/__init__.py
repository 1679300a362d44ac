"""DLIO as a rank program: started unmodified, proven to do what it was told, and ended whole when one rank fails."""
