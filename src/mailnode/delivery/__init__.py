"""A composed message on its way: stored first, then sent to its server, then its outcome stored.

Each send of a node is a delivery. It is committed with its content before any server is contacted, it is marked
`handingOver` before the first byte of content leaves, and its outcome is committed before the flow goes on; so after a
crash it is known which mail was sent, which was not, and which few may have been.
"""
