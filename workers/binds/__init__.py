"""Carrier binds: long-lived SMPP sessions that carry what routing gave their connector.

service       which connectors this process serves, heartbeats, orderly stop
runner        the binds of one connector, with what they share
hints         the broker thread: bodies of part ids per connector and lane
drains, tally   connectors that are being emptied; answers counted by the minute
lanes, table  ids waiting in memory by lane, with pauses; which lanes have rows that no hint came for
carrier_bind  one bind, put together of:
  tenure        its lease
  link, link_keeper   connecting, and again; admission: whose turn it is to try credentials
  claiming, ready     what is claimed and not written
  feeder, writer, submission, pace   keeping the window full, as fast as we may
  answers, verdict, flights          what the carrier says, and what it means
  recorder      answers to outcomes, deliver_sm to receipts, in batches
  report        what people read of it
"""
