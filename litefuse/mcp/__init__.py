"""`litefuse mcp`: an agent reads traces and asks SQL over the Model Context Protocol, on standard input and output.

- server.py    the tools, as an agent sees them
- reading.py   where ClickHouse is, asked anew for each call, and the login `reader` on it
- shapes.py    rows as what an agent is told; pure
- sql.py       a query of the agent's, its result bounded
"""
