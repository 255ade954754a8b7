"""What uncertainty buys: plain networks, noise in its forms, and ensembles, judged."""
