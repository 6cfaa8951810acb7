"""The SMPP server: customers bind to us (spec/smpp.md, the server's side).

A PDU's way: socket → `smpp.stream` → `client_session` (who, in which mode) → `submitting` (pure translation in
`translating` and `reading`, then the batcher; the answer leaves after the commit), `asking` (query, cancel, replace)
or `binding`. Receipts and texts come the other way: a bell tells `mailbox` of them, which claims rows for the clients
that are bound here and can receive; `receipts_out` writes them as PDUs, `flights` knows what is under way, `recorder`
writes how it ended. `door` and `register` hold what is counted over all sessions.
"""
