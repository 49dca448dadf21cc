"""What the tests of corpora share."""

import pytest

from gmmaudio.errors import CorpusError


def fails(function, *args, **settings):
    """Return the message of the CorpusError that a call raises."""
    with pytest.raises(CorpusError) as caught:
        function(*args, **settings)
    return str(caught.value)
