"""A class on one account, by its roster: `course workshop`."""
