"""Looking at a benchmark: its questions and judgments, its leaderboard, and the arena where people vote."""
