"""What hosts the node: the flow document, a run of it, its `input` and `context`, and the types of node there are."""
