"""Starting rank programs and watching them: command builders, the supervisor, and the guards on every host.

Nothing is imported here: the guards pay for each import at every launch.
"""
