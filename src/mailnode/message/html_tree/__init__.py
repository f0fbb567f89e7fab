"""The tree that HTML parsers build (HTML 13.2), of which only its size is told: nothing of it is kept."""
