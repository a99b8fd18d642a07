"""``batch``: files of any size, translated in memory that does not grow with them.

::

    file ─▶ lines ─▶ windows ─▶ translated ─▶ parts on disk ─▶ joined into the named file
            (mt_corpus) (windows)  (window)      (parts)          (container)

A window is a function of the file alone, and so is its part: a run that is killed and begun again
any number of times leaves the same bytes as one that nobody disturbs.
"""
