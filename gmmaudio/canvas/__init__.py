"""Axes, colours and names that all drawings share; matplotlib is optional, and imported where it draws."""
