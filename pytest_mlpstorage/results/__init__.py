"""The submission tree: one layout and one set of record types, written and read here."""
