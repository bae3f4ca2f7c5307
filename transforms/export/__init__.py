"""Programs as NumPy source that runs without wengert. Read first: numpy_source.py."""
