"""What a carrier line is doing, why it is down, and what to do: for the command, the API and the panel.

overview   what binds report, what waits, when it last worked (S0-43); cheap, no network
receipts   what its receipts tell
verdict    one line in plain words, a pure decision
looking    all of it together with a look at the network (S0-45)
"""

from messaging.diagnosis.looking import diagnose
from messaging.diagnosis.overview import overview, overviews
from messaging.diagnosis.verdict import Verdict

__all__ = ["Verdict", "diagnose", "overview", "overviews"]
