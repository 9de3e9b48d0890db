"""The client: from the queue to the team's server, and from there to clock and ledger."""
