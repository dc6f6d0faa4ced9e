"""Readers of the forms in which people have HIGGS: each yields blocks of events, and says what it found.

A reader is a generator `read(source, mapping, findings)` of blocks (n, 29), float32, with the columns in the order of
`data.COLUMNS`. It raises text.InvalidRowError for a row of the next block, text.FormError for the whole file, and
DataError, which names it, for another file.
"""
