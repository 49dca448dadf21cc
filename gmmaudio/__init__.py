"""Tell the genre of music and the language of speech with Gaussian mixture models."""

__version__ = "0.1.0"
