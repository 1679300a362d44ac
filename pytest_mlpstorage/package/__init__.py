"""From a results tree to a submission: take what belongs to one, leave out the rest, judge it."""
