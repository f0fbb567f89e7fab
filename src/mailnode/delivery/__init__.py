"""A composed message on its way: written down first, handed to its server, its outcome kept.

Each send of a node is a delivery. It is committed with its content before any server hears of it, it is marked
`handingOver` before the first octet of content leaves, and its outcome is committed before the flow goes on; so after a
crash it is known which mail was sent, which was not, and which few may have been.
"""
