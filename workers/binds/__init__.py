"""Carrier binds: long-lived SMPP sessions that carry what routing gave their connector.

service     which connectors this process serves, heartbeats, orderly stop
hints       the broker thread: bodies of part ids per connector and lane
lanes       ids waiting in memory, by lane, with pauses
bind        one session: lease, connect, claim, write, answers
pace        how fast: TPS, and the rate learned from throttling
submission  a claimed part as submit_sm
recorder    answers to outcomes, deliver_sm to receipts, in batches
"""
