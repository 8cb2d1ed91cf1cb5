"""Small pure mathematics: periods, intervals and mergeable histograms."""
