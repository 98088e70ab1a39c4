"""What the end-to-end tests stand on: real clusters, recording clients, and checkers of what was promised."""
