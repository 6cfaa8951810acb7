"""Times on screens: ISO order, seconds and all; lists of binds and receipts are read to the second."""

DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "Y-m-d H:i:s"
