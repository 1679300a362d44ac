"""What the hosts are: facts from /proc and /sys, one entry a host, and whether the hosts agree."""
