"""What a results tree remembers, for people: listed, filtered, shown, and run again."""
