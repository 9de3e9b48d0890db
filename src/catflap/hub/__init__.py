"""The team's server: takes events over the sync API, keeps them, shows the board they make. Imports nothing."""
