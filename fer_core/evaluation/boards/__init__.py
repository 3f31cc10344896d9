"""The leaderboard, its oracle, and the hard cases."""
