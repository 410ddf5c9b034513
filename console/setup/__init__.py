"""The set-up's proposals: what files are, what a site file should say, how it is written. Pure: text and values."""
