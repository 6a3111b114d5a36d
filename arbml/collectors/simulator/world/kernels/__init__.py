"""The world, compiled: weather by the second, and on each chain block after block of transactions in the order of their tips."""
